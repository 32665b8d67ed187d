"""A sweep over learning rates in one process; most values are bad on purpose, the last is kept."""

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


def train(lr, seed=0):
    torch.manual_seed(seed)
    x = torch.randn(400, 6)
    y = x @ torch.randn(6, 1) + 0.1 * torch.randn(400, 1)
    model = nn.Sequential(nn.Linear(6, 24), nn.ReLU(), nn.Linear(24, 1))
    optimizer = torch.optim.SGD(model.parameters(), lr=lr)
    for _ in range(3):
        for a, b in DataLoader(TensorDataset(x, y), batch_size=20, shuffle=True):
            optimizer.zero_grad()
            loss = nn.functional.mse_loss(model(a), b)
            loss.backward()
            optimizer.step()
    return loss.item()


results = {lr: train(lr) for lr in (1e-4, 1e-3, 1e-2, 5e-2)}
print(results, "best:", min(results, key=results.get))
