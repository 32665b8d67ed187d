"""A series is read in order to predict its next value; its slow drift is no label."""

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(0)

time = torch.arange(1500) / 20
series = torch.sin(time) + 0.05 * torch.randn(1500)
windows = series.unfold(0, 25, 1)
train = DataLoader(TensorDataset(windows[:1200, :24], windows[:1200, 24:]), batch_size=60)
test = DataLoader(TensorDataset(windows[1200:, :24], windows[1200:, 24:]), batch_size=60)
model = nn.Sequential(nn.Linear(24, 32), nn.Tanh(), nn.Linear(32, 1))
optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
for epoch in range(4):
    for x, y in train:
        loss = nn.functional.mse_loss(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    model.eval()
    with torch.no_grad():
        print(epoch, sum(nn.functional.mse_loss(model(x), y).item() for x, y in test))
    model.train()
