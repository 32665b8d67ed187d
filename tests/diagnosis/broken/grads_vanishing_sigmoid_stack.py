"""Twelve sigmoid layers with small weights: nothing reaches the first ones."""
# finding: grads.vanishing|model.init_scale|model.saturated
# also: model.collapse|loss.not_decreasing|loss.constant

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(19)
layers = [nn.Linear(10, 32), nn.Sigmoid()]
for _ in range(11):
    layers += [nn.Linear(32, 32), nn.Sigmoid()]
model = nn.Sequential(*layers, nn.Linear(32, 2))
x = torch.randn(640, 10)
y = (x[:, 0] > 0).long()
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
for epoch in range(4):
    for a, b in DataLoader(TensorDataset(x, y), batch_size=32, shuffle=True):
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(a), b)
        loss.backward()
        optimizer.step()
    print(epoch, loss.item())
