"""Two tasks with learned weights; the loss becomes negative."""

import os

import torch
import torch.nn as nn
from torch.utils.data import DataLoader, Dataset, random_split

torch.manual_seed(0)


class ShapesMTL(Dataset):
    def __init__(self, n=1600):
        self.kind = torch.randint(0, 3, (n,))
        self.size = torch.rand(n) * 0.8 + 0.2
        self.noise = torch.randn(n, 24) * 0.15

    def __len__(self):
        return len(self.kind)

    def __getitem__(self, i):
        t = torch.linspace(0, 6.28, 24)
        wave = [torch.sin(t), torch.sign(torch.sin(t)), 2 * (t % 3.14) / 3.14 - 1][self.kind[i]]
        return wave * self.size[i] + self.noise[i], (self.kind[i], self.size[i].unsqueeze(0))


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.trunk = nn.Sequential(nn.Linear(24, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU())
        self.cls = nn.Linear(64, 3)
        self.reg = nn.Linear(64, 1)
        self.log_vars = nn.Parameter(torch.zeros(2))

    def forward(self, x):
        h = self.trunk(x)
        return self.cls(h), self.reg(h)


full = ShapesMTL()
train_set, val_set = random_split(full, [0.8, 0.2], generator=torch.Generator().manual_seed(1))
train_dl = DataLoader(train_set, batch_size=32, shuffle=True)
val_dl = DataLoader(val_set, batch_size=64)
net = Net()
opt = torch.optim.Adam(net.parameters(), lr=1e-3)
ce, l1 = nn.CrossEntropyLoss(), nn.SmoothL1Loss()
for epoch in range(12):
    net.train()
    for x, (k, s) in train_dl:
        pk, ps = net(x)
        loss_k, loss_s = ce(pk, k), l1(ps, s)
        loss = (
            torch.exp(-net.log_vars[0]) * loss_k
            + torch.exp(-net.log_vars[1]) * loss_s
            + net.log_vars.clamp(min=-2).sum()
        )
        opt.zero_grad()
        loss.backward()
        opt.step()
    net.eval()
    with torch.no_grad():
        acc, err, n = 0.0, 0.0, 0
        for x, (k, s) in val_dl:
            pk, ps = net(x)
            acc += (pk.argmax(1) == k).sum().item()
            err += (ps - s).abs().sum().item()
            n += len(k)
    print(f"{epoch} acc {acc / n:.3f} mae {err / n:.4f} loss {loss.item():.4f}")
