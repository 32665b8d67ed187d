"""Stochastic depth: each residual block is left out now and then, so its parameters get no gradient in those steps."""

import random

import torch
from torch import nn

torch.manual_seed(0)
random.seed(0)


class Block(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.body = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, width), nn.ReLU(), nn.Linear(width, width))

    def forward(self, x):
        if self.training and random.random() < 0.3:
            return x
        return x + self.body(x)


model = nn.Sequential(nn.Linear(6, 32), *[Block(32) for _ in range(4)], nn.Linear(32, 3))
optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3)
x = torch.randn(1000, 6)
y = (x[:, 0] + x[:, 1] * x[:, 2] > 0).long() + (x[:, 3] > 1).long()
for epoch in range(4):
    model.train()
    for rows in torch.randperm(800).split(40):
        loss = nn.functional.cross_entropy(model(x[rows]), y[rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    model.eval()
    with torch.no_grad():
        print(epoch, nn.functional.cross_entropy(model(x[800:]), y[800:]).item())
