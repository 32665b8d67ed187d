"""Float measurements are sorted into classes on purpose, and counted events are whole numbers."""

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(0)

inputs = torch.randn(480, 8)
dose = inputs[:, :3].sum(1)
counts = torch.poisson(torch.exp(0.3 * inputs[:, :1]))
train = DataLoader(TensorDataset(inputs, dose, counts), batch_size=32, shuffle=True)
trunk = nn.Sequential(nn.Linear(8, 32), nn.ReLU())
kind, events = nn.Linear(32, 3), nn.Linear(32, 1)
optimizer = torch.optim.Adam([*trunk.parameters(), *kind.parameters(), *events.parameters()], lr=3e-3)
for epoch in range(4):
    for x, y, n in train:
        bins = torch.bucketize(y, torch.tensor([-1.0, 1.0]))
        hidden = trunk(x)
        loss = nn.functional.cross_entropy(kind(hidden), bins)
        loss = loss + nn.functional.mse_loss(events(hidden), n)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    print(epoch, loss.item())
