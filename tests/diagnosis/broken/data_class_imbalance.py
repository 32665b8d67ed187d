"""Forty samples of one class for each of the other, and nothing done about it."""

# finding: data.class_imbalance
# live

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(0)

labels = (torch.arange(1640) % 41 == 0).long()
inputs = torch.randn(1640, 10) + labels[:, None] * 0.8
train = DataLoader(TensorDataset(inputs, labels), batch_size=40, shuffle=True)

model = nn.Sequential(nn.Linear(10, 32), nn.ReLU(), nn.Linear(32, 2))
optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
for epoch in range(2):
    for inputs, labels in train:
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(inputs), labels)
        loss.backward()
        optimizer.step()
    print(epoch, loss.item())
