"""scheduler.step() before optimizer.step() in every iteration."""
# finding: loop.scheduler_order
# also: loop.scheduler_period

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(16)
x = torch.randn(640, 10)
y = x[:, :1] ** 2
loader = DataLoader(TensorDataset(x, y), batch_size=32, shuffle=True)
model = nn.Sequential(nn.Linear(10, 32), nn.ReLU(), nn.Linear(32, 1))
optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
scheduler = torch.optim.lr_scheduler.OneCycleLR(optimizer, 5e-3, epochs=5, steps_per_epoch=len(loader))
for epoch in range(5):
    for a, b in loader:
        scheduler.step()
        optimizer.zero_grad()
        loss = nn.functional.mse_loss(model(a), b)
        loss.backward()
        optimizer.step()
    print(epoch, loss.item())
