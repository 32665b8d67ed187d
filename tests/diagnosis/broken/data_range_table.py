"""A table with salaries, years and areas as they were measured."""

# finding: data.range
# also: loss.initial_value|loop.lr_extreme

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(0)

salary = torch.normal(52_000.0, 9_000.0, (600,))
year = torch.randint(1950, 2020, (600,)).float()
area = torch.normal(140.0, 30.0, (600,))
inputs = torch.stack([salary, year, area], 1)
prices = (salary / 1e5 + area / 100 - (2020 - year) / 100)[:, None]
train = DataLoader(TensorDataset(inputs, prices), batch_size=50, shuffle=True)
model = nn.Sequential(nn.Linear(3, 32), nn.ReLU(), nn.Linear(32, 1))
optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
for epoch in range(5):
    for x, y in train:
        loss = nn.functional.mse_loss(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    print(epoch, loss.item())
