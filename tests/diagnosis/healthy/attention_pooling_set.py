"""Attention pooling over a set: a softmax along dimension 0 of one bag, which is right there."""

import torch
from torch import nn

torch.manual_seed(41)
generator = torch.Generator().manual_seed(41)


def bag():
    n = int(torch.randint(4, 14, (1,), generator=generator))
    rows = torch.randn(n, 6, generator=generator)
    label = torch.rand((), generator=generator) < 0.5
    if label:
        rows[0] += 2.5
    return rows[torch.randperm(n, generator=generator)], label.float()


class Pooling(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed = nn.Sequential(nn.Linear(6, 24), nn.ReLU())
        self.attend = nn.Sequential(nn.Linear(24, 12), nn.Tanh(), nn.Linear(12, 1))
        self.out = nn.Linear(24, 1)

    def forward(self, rows):
        hidden = self.embed(rows)
        weights = self.attend(hidden).softmax(dim=0)
        return self.out((weights * hidden).sum(0))


model = Pooling()
optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
bags = [bag() for _ in range(200)]
for epoch in range(4):
    total = 0.0
    for i in torch.randperm(len(bags)).tolist():
        rows, label = bags[i]
        loss = nn.functional.binary_cross_entropy_with_logits(model(rows), label[None])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        total += loss.item()
    print(epoch, total / len(bags))
