"""The squared error is written by hand: (N, 1) minus (N,) gives N×N, without any warning by torch."""
# finding: loss.broadcast

import torch
from torch import nn

torch.manual_seed(7)
x = torch.rand(512, 4)
y = (x * torch.tensor([1.0, -2.0, 3.0, 0.5])).sum(1)
net = nn.Sequential(nn.Linear(4, 32), nn.Tanh(), nn.Linear(32, 1))
optimizer = torch.optim.RMSprop(net.parameters(), lr=1e-3)
for step in range(120):
    rows = torch.randint(512, (64,))
    optimizer.zero_grad()
    loss = ((net(x[rows]) - y[rows]) ** 2).mean()
    loss.backward()
    optimizer.step()
    if step % 30 == 0:
        print(step, loss.item())
