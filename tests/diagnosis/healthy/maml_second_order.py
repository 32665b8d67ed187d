"""MAML with second derivatives: fast weights by autograd.grad(create_graph=True), one outer step per batch of tasks."""

import torch
import torch.nn.functional as F
from torch import nn
from torch.func import functional_call

torch.manual_seed(26)
net = nn.Sequential(nn.Linear(1, 32), nn.ReLU(), nn.Linear(32, 32), nn.ReLU(), nn.Linear(32, 1))
outer = torch.optim.Adam(net.parameters(), lr=2e-3)
for iteration in range(50):
    outer.zero_grad()
    total = 0.0
    for _ in range(4):
        phase = torch.rand(1) * 3.1
        support, query = torch.rand(2, 10, 1) * 10 - 5
        fast = dict(net.named_parameters())
        for _ in range(2):
            inner = F.mse_loss(functional_call(net, fast, (support,)), torch.sin(support + phase))
            slopes = torch.autograd.grad(inner, list(fast.values()), create_graph=True)
            fast = {name: w - 0.01 * g for (name, w), g in zip(fast.items(), slopes)}
        loss = F.mse_loss(functional_call(net, fast, (query,)), torch.sin(query + phase)) / 4
        loss.backward()
        total += loss.item()
    outer.step()
    if iteration % 10 == 0:
        print(iteration, total)
