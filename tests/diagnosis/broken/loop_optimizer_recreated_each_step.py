"""A helper function makes a new Adam for every batch: its averages never build up."""
# finding: loop.optimizer_recreated

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


def train_on(model, a, b):
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    optimizer.zero_grad()
    loss = nn.functional.mse_loss(model(a), b)
    loss.backward()
    optimizer.step()
    return loss.item()


torch.manual_seed(21)
x = torch.randn(800, 10)
y = x[:, :1] * x[:, 1:2]
model = nn.Sequential(nn.Linear(10, 32), nn.ReLU(), nn.Linear(32, 1))
for epoch in range(4):
    for a, b in DataLoader(TensorDataset(x, y), batch_size=32, shuffle=True):
        value = train_on(model, a, b)
    print(epoch, value)
