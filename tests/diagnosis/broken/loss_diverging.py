"""Least squares by SGD a little above the stable learning rate: the loss grows without end."""
# finding: loss.diverging|grads.exploding|loop.lr_extreme
# live

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(0)
x = torch.randn(4000, 30)
x[:, 0] *= 6
y = x @ torch.randn(30, 1) + 0.1 * torch.randn(4000, 1)
model = nn.Linear(30, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.0295)
criterion = nn.MSELoss()
for epoch in range(3):
    for xb, yb in DataLoader(TensorDataset(x, y), batch_size=100, shuffle=True):
        optimizer.zero_grad()
        loss = criterion(model(xb), yb)
        loss.backward()
        optimizer.step()
    print(f"epoch {epoch} loss {loss.item():.3g}")
