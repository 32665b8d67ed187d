"""A curriculum: easy samples first, sorted by difficulty, and a new loader for each stage."""

import torch
from torch import nn
from torch.utils.data import DataLoader, Subset, TensorDataset

torch.manual_seed(24)
x = torch.randn(1500, 8)
margin = x[:, 0] + x[:, 1] - x[:, 2]
data = TensorDataset(x, (margin > 0).long())
easy_first = margin.abs().argsort(descending=True).tolist()
model = nn.Sequential(nn.Linear(8, 32), nn.ReLU(), nn.Linear(32, 2))
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
for stage, share in enumerate((0.2, 0.5, 0.8, 1.0)):
    loader = DataLoader(Subset(data, easy_first[: int(share * len(data))]), batch_size=30, shuffle=True)
    for _ in range(2):
        for a, b in loader:
            loss = nn.functional.cross_entropy(model(a), b)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    print("stage", stage, len(loader.dataset), loss.item())
