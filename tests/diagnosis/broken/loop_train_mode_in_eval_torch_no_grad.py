"""Evaluation under no_grad, but without eval(): BatchNorm learns from validation data, dropout stays on."""
# finding: loop.train_mode_in_eval

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(14)
x = torch.randn(800, 10)
y = (x[:, 0] + x[:, 1] > 0).long()
train, test = TensorDataset(x[:600], y[:600]), TensorDataset(x[600:], y[600:])
model = nn.Sequential(nn.Linear(10, 32), nn.BatchNorm1d(32), nn.ReLU(), nn.Dropout(0.4), nn.Linear(32, 2))
optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
for epoch in range(5):
    for a, b in DataLoader(train, batch_size=30, shuffle=True):
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(a), b)
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        right = sum((model(a).argmax(1) == b).sum().item() for a, b in DataLoader(test, batch_size=50))
    print(epoch, loss.item(), right / 200)
