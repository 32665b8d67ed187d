"""Smooth L1 with targets of shape (N, 1) and a prediction squeezed to (N,)."""
# finding: loss.broadcast

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(8)
x = torch.randn(600, 6)
y = x[:, :1] * 2 + x[:, 1:2]
loader = DataLoader(TensorDataset(x, y), batch_size=30, shuffle=True)
model = nn.Sequential(nn.Linear(6, 32), nn.ReLU(), nn.Linear(32, 1))
optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
for epoch in range(4):
    for a, b in loader:
        loss = nn.functional.smooth_l1_loss(model(a).squeeze(), b)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    print(epoch, loss.item())
