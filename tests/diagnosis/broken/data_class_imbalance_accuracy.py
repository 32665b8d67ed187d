"""Forty negatives for one positive, and nothing is done about it."""
# finding: data.class_imbalance
# live

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(27)
y = (torch.rand(3000) < 1 / 40).long()
x = torch.randn(3000, 8) + 0.7 * y[:, None]
model = nn.Sequential(nn.Linear(8, 24), nn.ReLU(), nn.Linear(24, 2))
optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
for epoch in range(4):
    right = 0
    for a, b in DataLoader(TensorDataset(x, y), batch_size=30, shuffle=True):
        logits = model(a)
        loss = nn.functional.cross_entropy(logits, b)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        right += (logits.argmax(1) == b).sum().item()
    print(epoch, loss.item(), right / 3000)
