"""A bias of -100 before a ReLU: the network's output is constant and the layers below get exactly zero."""
# finding: grads.zero|model.dead_units|model.collapse|data.input_ignored
# also: loss.not_decreasing|loss.constant

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(21)
model = nn.Sequential(nn.Linear(10, 32), nn.ReLU(), nn.Linear(32, 32), nn.ReLU(), nn.Linear(32, 2))
nn.init.constant_(model[2].bias, -100.0)
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
