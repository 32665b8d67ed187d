"""Two noisy moons. The loss goes up and down, and in the end it runs away.

Why: the gradients of all earlier steps are still there when the next backward adds its own.
Cure: `optimizer.zero_grad()` once per step, before `backward()`.
"""
# finding: loop.no_zero_grad

import math

import torch
import torch.nn as nn
from torch.utils.data import DataLoader, TensorDataset


def two_moons(n):
    t = math.pi * torch.rand(n)
    upper = torch.rand(n) < 0.5
    x = torch.where(upper, t.cos(), 1 - t.cos())
    y = torch.where(upper, t.sin(), 0.5 - t.sin())
    return torch.stack([x, y], 1) + 0.3 * torch.randn(n, 2), upper.long()


torch.manual_seed(3)
points, labels = two_moons(1024)
loader = DataLoader(TensorDataset(points, labels), batch_size=64, shuffle=True)

model = nn.Sequential(nn.Linear(2, 32), nn.Tanh(), nn.Linear(32, 2))
criterion = nn.CrossEntropyLoss()
optimizer = torch.optim.SGD(model.parameters(), lr=0.5)

for epoch in range(10):
    epoch_loss = 0.0
    for batch, target in loader:
        output = model(batch)
        loss = criterion(output, target)
        loss.backward()
        optimizer.step()
        epoch_loss += loss.item()
    print(f"Epoch {epoch}: {epoch_loss / len(loader):.4f}")
