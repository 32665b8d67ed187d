"""Weights drawn from a normal distribution with deviation 1: the first loss is fifty times ln 10."""
# finding: loss.initial_value|model.init_scale

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(9)
x = torch.randn(800, 64)
y = x[:, :10].argmax(1)
model = nn.Sequential(nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 128), nn.ReLU(), nn.Linear(128, 10))
for module in model:
    if isinstance(module, nn.Linear):
        nn.init.normal_(module.weight)
optimizer = torch.optim.SGD(model.parameters(), lr=1e-5)
for epoch in range(3):
    for a, b in DataLoader(TensorDataset(x, y), batch_size=40, shuffle=True):
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(a), b)
        loss.backward()
        optimizer.step()
    print(epoch, loss.item())
