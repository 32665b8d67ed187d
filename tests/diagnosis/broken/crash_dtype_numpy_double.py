"""Targets and inputs come as float64 from arithmetic in Python doubles; the weights are float32."""
# finding: crash.dtype|data.dtype

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(25)
x = torch.randn(200, 5, dtype=torch.float64)
y = x.sum(1, keepdim=True)
model = nn.Sequential(nn.Linear(5, 16), nn.ReLU(), nn.Linear(16, 1))
optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
for a, b in DataLoader(TensorDataset(x, y), batch_size=20, shuffle=True):
    loss = nn.functional.mse_loss(model(a), b)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
