"""Fraud among card payments, with a hand-written cross entropy. All is well for some steps, then every number is nan.

Why: for one very large payment the sigmoid is exactly 1.0 in float32, so `torch.log(1 - p)` is log(0) = -inf, and
0 * -inf is nan. One such loss turns all weights into nan, for good.
Cure: `nn.BCEWithLogitsLoss` on the raw output (it never forms p), and scaled amounts.
"""
# finding: loss.nonfinite

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


def cross_entropy(p, y):
    return -(y * torch.log(p) + (1 - y) * torch.log(1 - p)).mean()


torch.manual_seed(4)
payments = torch.randn(2048, 6)
amount = torch.distributions.Pareto(1.0, 1.1).sample((2048,))  # most are small, a few are enormous
payments[:, 0] = amount
fraud = (payments[:, 1] + 0.2 * amount + torch.randn(2048) > 1.5).float()
loader = DataLoader(TensorDataset(payments, fraud), batch_size=32, shuffle=True)

model = nn.Sequential(nn.Linear(6, 32), nn.ReLU(), nn.Linear(32, 1), nn.Sigmoid())
optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)

step = 0
for epoch in range(3):
    for x, y in loader:
        loss = cross_entropy(model(x).squeeze(1), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        step += 1
        if step % 8 == 0:
            print(f"step {step}: loss {loss.item():.4f}")
