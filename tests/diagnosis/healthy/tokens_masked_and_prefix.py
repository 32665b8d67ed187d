"""Three uses of tokens in which looking ahead is right or does not happen: words to be filled in, tags, and the next
token after a prefix that is read both ways."""

import torch
from torch import nn

torch.manual_seed(0)
BLANK, IGNORED = 24, -100
text = torch.randint(0, 24, (6000,))


class Block(nn.Module):
    def __init__(self, width=32, heads=4):
        super().__init__()
        self.heads, self.mix, self.out = heads, nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.wide = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, 64), nn.GELU(), nn.Linear(64, width))

    def forward(self, x, mask):
        n, t, width = x.shape
        q, k, v = (part.view(n, t, self.heads, -1).transpose(1, 2) for part in self.mix(x).chunk(3, -1))
        scores = (q @ k.transpose(-2, -1)) / (width // self.heads) ** 0.5
        weights = scores.masked_fill(~mask, float("-inf")).softmax(-1)
        x = x + self.out((weights @ v).transpose(1, 2).reshape(n, t, width))
        return x + self.wide(x)


class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.token, self.place = nn.Embedding(25, 32), nn.Embedding(16, 32)
        self.first, self.second = Block(), Block()
        self.words, self.tags = nn.Linear(32, 24), nn.Linear(32, 3)

    def forward(self, tokens, mask):
        x = self.token(tokens) + self.place(torch.arange(tokens.shape[1]))
        return self.second(self.first(x, mask), mask)


model = Model()
optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3)
everywhere = torch.ones(16, 16, dtype=torch.bool)
prefix = everywhere.tril() | (torch.arange(16) < 6)
for step in range(90):
    starts = torch.randint(0, 5900, (24,))
    x, after = (torch.stack([text[i + d : i + d + 16] for i in starts]) for d in (0, 1))
    optimizer.zero_grad()
    if step % 3 == 0:
        blanked = torch.rand(x.shape) < 0.2
        scores = model.words(model(x.masked_fill(blanked, BLANK), everywhere))
        loss = nn.functional.cross_entropy(scores.flatten(0, 1), x.masked_fill(~blanked, IGNORED).flatten())
        loss.backward()
    elif step % 3 == 1:
        loss = nn.functional.cross_entropy(model.tags(model(x, everywhere)).flatten(0, 1), (x % 3).flatten())
        loss.backward()
    else:
        wanted = after.clone()
        wanted[:, :5] = IGNORED
        loss = nn.functional.cross_entropy(model.words(model(x, prefix)).flatten(0, 1), wanted.flatten())
        loss.backward()
    optimizer.step()
    if step % 30 == 29:
        print(step, loss.item())
