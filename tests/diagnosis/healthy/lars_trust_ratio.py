"""A LARS-like optimizer: each layer moves by a fixed share of its own norm, whatever its gradient."""

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


class Lars(torch.optim.Optimizer):
    def __init__(self, params, lr, trust=0.02, weight_decay=1e-4):
        super().__init__(params, {"lr": lr, "trust": trust, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure=None):
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is None:
                    continue
                update = p.grad + group["weight_decay"] * p
                if p.ndim > 1:
                    update = update * group["trust"] * p.norm() / (update.norm() + 1e-9)
                p.add_(update, alpha=-group["lr"])


torch.manual_seed(29)
y = torch.randint(4, (1000,))
x = 1.5 * torch.randn(4, 15)[y] + torch.randn(1000, 15)
model = nn.Sequential(nn.Linear(15, 64), nn.BatchNorm1d(64), nn.ReLU(), nn.Linear(64, 4))
optimizer = Lars(model.parameters(), lr=1.0)
for epoch in range(6):
    for a, b in DataLoader(TensorDataset(x, y), batch_size=50, shuffle=True):
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(a), b)
        loss.backward()
        optimizer.step()
    print(epoch, loss.item())
