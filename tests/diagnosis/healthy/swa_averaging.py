"""Stochastic weight averaging with update_bn at the end: the averaged model runs in train mode without training."""

import torch
from torch import nn
from torch.optim.swa_utils import SWALR, AveragedModel, update_bn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(27)
x = torch.randn(1000, 10)
y = (x[:, 0].sin() + x[:, 1] ** 2 > 0.8).long()
loader = DataLoader(TensorDataset(x, y), batch_size=40, shuffle=True)
model = nn.Sequential(nn.Linear(10, 48), nn.BatchNorm1d(48), nn.ReLU(), nn.Linear(48, 2))
averaged = AveragedModel(model)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
cosine = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=5)
flat = SWALR(optimizer, swa_lr=0.02)
for epoch in range(8):
    model.train()
    for a, b in loader:
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(a), b)
        loss.backward()
        optimizer.step()
    if epoch > 4:
        averaged.update_parameters(model)
        flat.step()
    else:
        cosine.step()
    print(epoch, loss.item())
update_bn(loader, averaged)
averaged.eval()
with torch.no_grad():
    print("averaged", (averaged(x).argmax(1) == y).float().mean().item())
