"""A mixture of experts with hard routing: in most steps some expert gets no token and no gradient."""

import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


class Mixture(nn.Module):
    def __init__(self, width=16, experts=6):
        super().__init__()
        self.router = nn.Linear(width, experts)
        self.experts = nn.ModuleList(
            nn.Sequential(nn.Linear(width, 32), nn.ReLU(), nn.Linear(32, width)) for _ in range(experts)
        )

    def forward(self, x):
        gates = self.router(x).softmax(-1)
        weight, chosen = gates.max(-1)
        out = torch.zeros_like(x)
        for number, expert in enumerate(self.experts):
            rows = (chosen == number).nonzero().squeeze(1)
            if len(rows):
                out = out.index_add(0, rows, weight[rows, None] * expert(x[rows]))
        share = F.one_hot(chosen, gates.shape[1]).float().mean(0)
        return x + out, (share * gates.mean(0)).sum() * gates.shape[1]


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.moe, self.last = nn.Linear(8, 16), Mixture(), nn.Linear(16, 1)

    def forward(self, x):
        hidden, balance = self.moe(self.first(x))
        return self.last(hidden).squeeze(1), balance


torch.manual_seed(12)
x = torch.randn(600, 8)
y = torch.where(x[:, 0] > 0, x[:, 1] * 2, -x[:, 2])
loader = DataLoader(TensorDataset(x, y), batch_size=6, shuffle=True)
net = Net()
optimizer = torch.optim.Adam(net.parameters(), lr=3e-3)
for epoch in range(2):
    for inputs, target in loader:
        prediction, balance = net(inputs)
        loss = F.mse_loss(prediction, target) + 0.01 * balance
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    print(epoch, loss.item())
