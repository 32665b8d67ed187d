"""Rare positives, and an output bias that starts at the log-odds of the prior: the first loss is far below ln 2."""

import math

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(39)
y = (torch.rand(2000) < 0.03).float()
x = torch.randn(2000, 10) + y[:, None]
model = nn.Sequential(nn.Linear(10, 32), nn.ReLU(), nn.Linear(32, 1))
nn.init.constant_(model[2].bias, math.log(0.03 / 0.97))
nn.init.normal_(model[2].weight, std=0.01)
optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
for epoch in range(4):
    for a, b in DataLoader(TensorDataset(x, y), batch_size=50, shuffle=True):
        optimizer.zero_grad()
        loss = nn.functional.binary_cross_entropy_with_logits(model(a)[:, 0], b)
        loss.backward()
        optimizer.step()
    print(epoch, loss.item())
