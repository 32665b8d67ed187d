"""Minority rows are repeated before the split: most of them lie on both sides."""
# finding: data.leak
# also: eval.leak_suspected
# live

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset, random_split

torch.manual_seed(5)
x = torch.randn(500, 16)
y = (torch.rand(500) < 0.2).long()
rare = (y == 1).nonzero().squeeze(1)
index = torch.cat([torch.arange(500), rare.repeat(3)])
train, valid = random_split(TensorDataset(x[index], y[index]), [0.8, 0.2])
model = nn.Sequential(nn.Linear(16, 64), nn.ReLU(), nn.Linear(64, 2))
optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
for epoch in range(6):
    model.train()
    for a, b in DataLoader(train, batch_size=20, shuffle=True):
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(a), b)
        loss.backward()
        optimizer.step()
    model.eval()
    with torch.no_grad():
        right = sum((model(a).argmax(1) == b).sum().item() for a, b in DataLoader(valid, batch_size=40))
    print(epoch, loss.item(), right / len(valid))
