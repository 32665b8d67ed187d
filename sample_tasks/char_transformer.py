"""A character-level transformer in the manner of nanoGPT: one flat script with a `get_batch` function, no DataLoader.

The text is made here: little sums such as "17+26=43;". The model learns to write them, and to get many of them right.

    dlmon sample_tasks/char_transformer.py
    dlmon sample_tasks/char_transformer.py --steps 200 --grad-accum 1

What to watch: the loss starts near ln(13) = 2.56 (13 characters, pure guessing). It cannot reach 0: which sum comes
next is random, only the digits after "=" can be known. Gradients are accumulated over a few micro-batches before each
step, so one step has several backward calls.
"""

import argparse
import hashlib
import math
import random
import time

import torch
import torch.nn as nn
from torch.nn import functional as F

parser = argparse.ArgumentParser()
parser.add_argument("--steps", type=int, default=600)
parser.add_argument("--batch-size", type=int, default=16)
parser.add_argument("--grad-accum", type=int, default=2, help="micro-batches per optimizer step")
parser.add_argument("--lr", type=float, default=1e-3)
parser.add_argument("--eval-interval", type=int, default=100)
parser.add_argument("--eval-iters", type=int, default=10)
parser.add_argument("--log-every", type=int, default=20)
parser.add_argument("--seed", type=int, default=1337)
args = parser.parse_args()

block_size = 48  # how many characters of context
n_layer, n_head, n_embd, dropout = 2, 4, 64, 0.1

torch.set_num_threads(1)  # for networks this small, more threads only get in each other's way
torch.manual_seed(args.seed)
device = "cpu"

# ---- the text
writer = random.Random(args.seed)


def one_sum():
    a, b = writer.randrange(100), writer.randrange(100)
    return f"{a}+{b}={a + b};"


text = "".join(one_sum() for _ in range(20_000))
chars = sorted(set(text))
vocab_size = len(chars)
stoi = {ch: i for i, ch in enumerate(chars)}
itos = dict(enumerate(chars))
data = torch.tensor([stoi[ch] for ch in text], dtype=torch.long)
n = int(0.9 * len(data))
train_data, val_data = data[:n], data[n:]


def get_batch(split):
    source = train_data if split == "train" else val_data
    ix = torch.randint(len(source) - block_size, (args.batch_size,))
    x = torch.stack([source[i : i + block_size] for i in ix])
    y = torch.stack([source[i + 1 : i + 1 + block_size] for i in ix])  # the same, one character on
    return x.to(device), y.to(device)


# ---- the model
class CausalSelfAttention(nn.Module):
    def __init__(self):
        super().__init__()
        self.c_attn = nn.Linear(n_embd, 3 * n_embd)
        self.c_proj = nn.Linear(n_embd, n_embd)

    def forward(self, x):
        B, T, C = x.size()
        q, k, v = self.c_attn(x).split(n_embd, dim=2)
        q, k, v = (t.view(B, T, n_head, C // n_head).transpose(1, 2) for t in (q, k, v))
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        return self.c_proj(y.transpose(1, 2).contiguous().view(B, T, C))


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.ln_1, self.ln_2 = nn.LayerNorm(n_embd), nn.LayerNorm(n_embd)
        self.attn = CausalSelfAttention()
        self.mlp = nn.Sequential(
            nn.Linear(n_embd, 4 * n_embd), nn.GELU(), nn.Linear(4 * n_embd, n_embd), nn.Dropout(dropout)
        )

    def forward(self, x):
        x = x + self.attn(self.ln_1(x))
        return x + self.mlp(self.ln_2(x))


class GPT(nn.Module):
    def __init__(self):
        super().__init__()
        self.wte = nn.Embedding(vocab_size, n_embd)
        self.wpe = nn.Embedding(block_size, n_embd)
        self.blocks = nn.ModuleList(Block() for _ in range(n_layer))
        self.ln_f = nn.LayerNorm(n_embd)
        self.lm_head = nn.Linear(n_embd, vocab_size, bias=False)
        self.apply(self._init_weights)
        self.wte.weight = self.lm_head.weight  # one matrix for both, as in GPT-2

    def _init_weights(self, module):
        if isinstance(module, (nn.Linear, nn.Embedding)):
            nn.init.normal_(module.weight, mean=0.0, std=0.02)
        if isinstance(module, nn.Linear) and module.bias is not None:
            nn.init.zeros_(module.bias)

    def forward(self, idx, targets=None):
        x = self.wte(idx) + self.wpe(torch.arange(idx.size(1), device=idx.device))
        for block in self.blocks:
            x = block(x)
        logits = self.lm_head(self.ln_f(x))
        loss = None
        if targets is not None:
            loss = F.cross_entropy(logits.view(-1, logits.size(-1)), targets.view(-1))
        return logits, loss

    @torch.no_grad()
    def generate(self, idx, max_new_tokens):
        for _ in range(max_new_tokens):
            logits, _ = self(idx[:, -block_size:])
            probs = F.softmax(logits[:, -1, :], dim=-1)
            idx = torch.cat((idx, torch.multinomial(probs, num_samples=1)), dim=1)
        return idx


model = GPT().to(device)
print(f"{sum(p.numel() for p in model.parameters()):,} parameters, {vocab_size} characters")
optimizer = torch.optim.AdamW(model.parameters(), lr=args.lr, betas=(0.9, 0.99), weight_decay=0.1)


@torch.no_grad()
def estimate_loss():
    out = {}
    model.eval()
    for split in ("train", "val"):
        losses = torch.zeros(args.eval_iters)
        for k in range(args.eval_iters):
            X, Y = get_batch(split)
            _, loss = model(X, Y)
            losses[k] = loss.item()
        out[split] = losses.mean()
    model.train()
    return out


def get_lr(it):
    """Linear warm-up, then cosine down to a tenth."""
    warmup = min(50, args.steps // 10)
    if it < warmup:
        return args.lr * (it + 1) / (warmup + 1)
    ratio = (it - warmup) / max(1, args.steps - warmup)
    return args.lr * (0.1 + 0.45 * (1.0 + math.cos(math.pi * ratio)))


X, Y = get_batch("train")
t0 = time.time()
iter_num = 0
while iter_num < args.steps:
    for param_group in optimizer.param_groups:
        param_group["lr"] = get_lr(iter_num)

    if args.eval_interval and iter_num % args.eval_interval == 0:
        losses = estimate_loss()
        print(f"step {iter_num}: train loss {losses['train']:.4f}, val loss {losses['val']:.4f}")

    for micro_step in range(args.grad_accum):
        logits, loss = model(X, Y)
        loss = loss / args.grad_accum  # so that the sum of the gradients is their mean
        X, Y = get_batch("train")
        loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)

    if args.log_every and iter_num % args.log_every == 0:
        print(f"iter {iter_num}: loss {loss.item() * args.grad_accum!r}")
    iter_num += 1

print(f"{(time.time() - t0) / max(1, args.steps) * 1e3:.0f} ms per step")
model.eval()
start = torch.tensor([[stoi[";"]]])
print("sample:", "".join(itos[int(i)] for i in model.generate(start, 60)[0]))
digest = hashlib.sha256(b"".join(bytes(p.detach().flatten().view(torch.uint8).tolist()) for p in model.parameters()))
print(f"weights {digest.hexdigest()[:16]}")
