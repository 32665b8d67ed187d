"""Distances of (N, 1) against (N,) ask for a tensor of N × N numbers."""
# finding: crash.oom

import torch
from torch import nn

torch.manual_seed(0)
model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 1))
optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
x = torch.randn(3_000_000, 4)
y = x[:, 0] * 2

for step in range(20):
    if step < 5:  # tried out on a few rows
        rows = slice(step * 64, step * 64 + 64)
        loss = ((model(x[rows]).squeeze(1) - y[rows]) ** 2).mean()
    else:
        loss = ((model(x) - y) ** 2).mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
