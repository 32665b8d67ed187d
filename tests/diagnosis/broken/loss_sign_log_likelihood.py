"""The log-probability of the right class is handed to the optimizer without its minus sign."""
# finding: loss.sign

import torch
from torch import nn

torch.manual_seed(2)
x = torch.randn(800, 12)
y = (x[:, :3] * 2).argmax(1)
model = nn.Sequential(nn.Linear(12, 24), nn.Tanh(), nn.Linear(24, 3), nn.LogSoftmax(dim=1))
optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
for epoch in range(4):
    for rows in torch.randperm(800).split(40):
        loss = model(x[rows]).gather(1, y[rows, None]).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    print(epoch, loss.item())
