"""A small language model: output layer tied to the embedding, causal mask, warm-up from zero and cosine decay."""

import math

import torch
import torch.nn.functional as F
from torch import nn

torch.manual_seed(21)
text = "the cat sat on the mat and the dog sat on the log while the bird sang to the cat " * 40
letters = sorted(set(text))
ids = torch.tensor([letters.index(c) for c in text])
LENGTH, WIDTH = 24, 32


class LM(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(len(letters), WIDTH)
        self.place = nn.Parameter(torch.zeros(LENGTH, WIDTH))
        layer = nn.TransformerEncoderLayer(WIDTH, 4, 64, dropout=0.0, batch_first=True, norm_first=True)
        self.body = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
        self.norm = nn.LayerNorm(WIDTH)
        self.head = nn.Linear(WIDTH, len(letters), bias=False)
        nn.init.normal_(self.embed.weight, std=0.02)
        self.head.weight = self.embed.weight

    def forward(self, x):
        mask = nn.Transformer.generate_square_subsequent_mask(x.shape[1])
        return self.head(self.norm(self.body(self.embed(x) + self.place, mask=mask, is_causal=True)))


model = LM()
decay = [p for p in model.parameters() if p.ndim > 1]
rest = [p for p in model.parameters() if p.ndim < 2]
optimizer = torch.optim.AdamW([{"params": decay, "weight_decay": 0.1}, {"params": rest, "weight_decay": 0.0}], lr=3e-3)
warm = 20
schedule = torch.optim.lr_scheduler.LambdaLR(
    optimizer, lambda n: n / warm if n < warm else 0.5 * (1 + math.cos(math.pi * (n - warm) / 200))
)
for step in range(150):
    starts = torch.randint(len(ids) - LENGTH - 1, (16,))
    batch = torch.stack([ids[s : s + LENGTH + 1] for s in starts])
    loss = F.cross_entropy(model(batch[:, :-1]).flatten(0, 1), batch[:, 1:].flatten())
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    schedule.step()
    if step % 30 == 0:
        print(step, f"loss {loss.item():.3f} lr {schedule.get_last_lr()[0]:.2e}")
