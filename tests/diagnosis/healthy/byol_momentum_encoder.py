"""Self-supervised with a momentum encoder, a stop-gradient and a predictor; random views, no labels at all."""

import copy

import torch
import torch.nn.functional as F
from torch import nn

torch.manual_seed(13)
data = torch.randn(4, 16)[torch.randint(4, (800,))] * 2 + torch.randn(800, 16) * 0.5
online = nn.Sequential(nn.Linear(16, 64), nn.BatchNorm1d(64), nn.ReLU(), nn.Linear(64, 16))
predictor = nn.Sequential(nn.Linear(16, 32), nn.BatchNorm1d(32), nn.ReLU(), nn.Linear(32, 16))
momentum = copy.deepcopy(online)
momentum.requires_grad_(False)
optimizer = torch.optim.SGD([*online.parameters(), *predictor.parameters()], lr=0.05, momentum=0.9, weight_decay=1e-4)


def view(x):
    return x * (torch.rand_like(x) > 0.2) + 0.1 * torch.randn_like(x)


def regression(p, z):
    return 2 - 2 * F.cosine_similarity(p, z, dim=-1).mean()


for epoch in range(8):
    for batch in data[torch.randperm(800)].split(50):
        a, b = view(batch), view(batch)
        with torch.no_grad():
            za, zb = momentum(a), momentum(b)
        loss = regression(predictor(online(a)), zb) + regression(predictor(online(b)), za)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        with torch.no_grad():
            for slow, fast in zip(momentum.parameters(), online.parameters()):
                slow.mul_(0.99).add_(fast, alpha=0.01)
    print(f"epoch {epoch} loss {loss.item():.4f}")
