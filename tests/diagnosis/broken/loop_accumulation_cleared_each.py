"""zero_grad at the top of every micro-batch, step at every fourth: three quarters of the data are thrown away."""
# finding: loop.accumulation_cleared

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(20)
x = torch.randn(1200, 10)
y = (x[:, 0] > 0).long()
model = nn.Sequential(nn.Linear(10, 32), nn.ReLU(), nn.Linear(32, 2))
optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
for epoch in range(6):
    for i, (a, b) in enumerate(DataLoader(TensorDataset(x, y), batch_size=15, shuffle=True)):
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(a), b) / 4
        loss.backward()
        if (i + 1) % 4 == 0:
            optimizer.step()
    print(epoch, loss.item() * 4)
