"""nll_loss is given the raw output of a linear layer: the loss falls below zero and on without end."""
# finding: loss.softmax_before_ce|loss.target_range

import torch
import torch.nn.functional as F
from torch import nn

torch.manual_seed(4)
x = torch.randn(800, 10)
y = x[:, :4].argmax(1)
model = nn.Sequential(nn.Linear(10, 32), nn.ReLU(), nn.Linear(32, 4))
optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
for epoch in range(3):
    for rows in torch.randperm(800).split(40):
        optimizer.zero_grad()
        loss = F.nll_loss(model(x[rows]), y[rows])
        loss.backward()
        optimizer.step()
    print(epoch, loss.item())
