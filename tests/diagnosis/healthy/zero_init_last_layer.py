"""Residual branches that start at zero (Fixup, DiT): their first layers' gradients are exactly zero at step 0."""

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


class Residual(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.up, self.down = nn.Linear(width, 2 * width), nn.Linear(2 * width, width)
        nn.init.zeros_(self.down.weight)
        nn.init.zeros_(self.down.bias)

    def forward(self, x):
        return x + self.down(nn.functional.gelu(self.up(x)))


torch.manual_seed(18)
head = nn.Linear(20, 7)
nn.init.zeros_(head.weight)
nn.init.zeros_(head.bias)
model = nn.Sequential(nn.Linear(9, 20), Residual(20), Residual(20), nn.LayerNorm(20), head)
x = torch.randn(1000, 9)
y = (x.abs().cumsum(1)[:, -1] * 0.9).long().clamp(max=6)
loader = DataLoader(TensorDataset(x, y), batch_size=40, shuffle=True)
optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
for epoch in range(5):
    for a, b in loader:
        loss = nn.functional.cross_entropy(model(a), b)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    print(epoch, loss.item())
