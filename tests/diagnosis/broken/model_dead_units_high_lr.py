"""A large first step with SGD kills most ReLUs of the hidden layer for good."""
# finding: model.dead_units|grads.zero|loop.lr_extreme
# also: loss.not_decreasing|loss.constant|model.collapse|loss.spike|loss.initial_value|grads.exploding
# live

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(26)
x = torch.rand(1600, 10)
y = x.sum(1, keepdim=True) * 20
model = nn.Sequential(nn.Linear(10, 64), nn.ReLU(), nn.Linear(64, 1))
optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
for epoch in range(4):
    for a, b in DataLoader(TensorDataset(x, y), batch_size=16, shuffle=True):
        optimizer.zero_grad()
        loss = nn.functional.mse_loss(model(a), b)
        loss.backward()
        optimizer.step()
    print(epoch, loss.item())
