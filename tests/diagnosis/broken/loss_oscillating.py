"""Absolute errors and a learning rate at which each step on all data jumps over the minimum and back."""
# finding: loss.oscillating|loop.lr_extreme
# live

import torch
from torch import nn

torch.manual_seed(0)
x = torch.rand(256, 4) + 0.5
y = x.sum(1, keepdim=True) + 0.02 * torch.randn(256, 1)
model = nn.Linear(4, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.3)
for step in range(200):
    loss = nn.functional.l1_loss(model(x), y)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    if step % 50 < 2:
        print(f"step {step} loss {loss.item():.4f}")
