"""First-order meta-learning (Reptile): an inner loop with a fresh optimizer and a copied model for each task."""

import copy

import torch
from torch import nn

torch.manual_seed(25)
meta = nn.Sequential(nn.Linear(1, 40), nn.Tanh(), nn.Linear(40, 40), nn.Tanh(), nn.Linear(40, 1))


def task():
    phase, height = torch.rand(2) * torch.tensor([3.1, 4.0])
    return lambda x: (height + 0.5) * torch.sin(x + phase)


for iteration in range(60):
    wave = task()
    learner = copy.deepcopy(meta)
    inner = torch.optim.SGD(learner.parameters(), lr=0.02)
    for _ in range(8):
        x = torch.rand(16, 1) * 10 - 5
        loss = nn.functional.mse_loss(learner(x), wave(x))
        inner.zero_grad()
        loss.backward()
        inner.step()
    with torch.no_grad():
        for slow, fast in zip(meta.parameters(), learner.parameters()):
            slow += 0.3 * (fast - slow)
    if iteration % 15 == 0:
        print(iteration, loss.item())
