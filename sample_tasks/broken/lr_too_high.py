"""A three-layer classifier on spirals; the loss goes from 1.1 to several hundred in two steps and never comes
back to something useful.

Why: Adam with lr=1.0. Adam moves each weight by about lr per step whatever the gradient's size, and the weights
themselves are about 0.1.
Cure: 1e-3, the default.
"""
# finding: loop.lr_extreme

import argparse

import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.utils.data import DataLoader, TensorDataset


def spirals(n):
    label = torch.randint(3, (n,))
    r = torch.rand(n)
    angle = 4 * r + label * 2.1 + 0.2 * torch.randn(n)
    return torch.stack([r * angle.sin(), r * angle.cos()], 1), label


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--lr", type=float, default=1.0)
    parser.add_argument("--epochs", type=int, default=6)
    args = parser.parse_args()

    torch.manual_seed(2)
    loader = DataLoader(TensorDataset(*spirals(960)), batch_size=32, shuffle=True)
    model = nn.Sequential(nn.Linear(2, 100), nn.ReLU(), nn.Linear(100, 100), nn.ReLU(), nn.Linear(100, 3))
    optimizer = torch.optim.Adam(model.parameters(), lr=args.lr)
    for epoch in range(args.epochs):
        for x, y in loader:
            optimizer.zero_grad()
            loss = F.cross_entropy(model(x), y)
            loss.backward()
            optimizer.step()
        print(f"epoch {epoch}  loss {loss.item():.3f}")


if __name__ == "__main__":
    main()
