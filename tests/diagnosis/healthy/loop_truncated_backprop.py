"""One step for five backwards of one sequence (truncated back-propagation), summed on purpose, clipped, no loader."""

import torch
from torch import nn

torch.manual_seed(5)
cell, head = nn.GRUCell(3, 24), nn.Linear(24, 1)
weights = [*cell.parameters(), *head.parameters()]
optimizer = torch.optim.SGD(weights, lr=0.02)
for episode in range(40):
    series = torch.randn(16, 20, 3)
    wanted = series.cumsum(1).mean(2, keepdim=True)
    state = torch.zeros(16, 24)
    optimizer.zero_grad()
    for part in range(5):
        loss = 0.0
        for t in range(4 * part, 4 * part + 4):
            state = cell(series[:, t], state)
            loss = loss + nn.functional.mse_loss(head(state), wanted[:, t])
        loss.backward()
        state = state.detach()
    nn.utils.clip_grad_norm_(weights, 1.0)
    optimizer.step()
print(loss.item())
