"""A library below Python reads memory that is not there: the process dies of SIGSEGV."""
# finding: crash.killed

import ctypes

import torch
from torch import nn

torch.manual_seed(0)
model = nn.Linear(4, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
x, y = torch.randn(32, 4), torch.randn(32, 1)
for step in range(20):
    optimizer.zero_grad()
    loss = ((model(x) - y) ** 2).mean()
    loss.backward()
    optimizer.step()
    if step == 12:
        ctypes.string_at(0)  # what a broken extension does
