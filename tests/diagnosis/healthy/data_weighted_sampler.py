"""One class is forty times rarer, and drawn as often as the other."""

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset, WeightedRandomSampler

torch.manual_seed(0)

labels = (torch.arange(1640) % 41 == 0).long()
inputs = torch.randn(1640, 10) + labels[:, None] * 0.8
sampler = WeightedRandomSampler(torch.where(labels == 1, 40.0, 1.0), 1600)
train = DataLoader(TensorDataset(inputs, labels), batch_size=40, sampler=sampler)

model = nn.Sequential(nn.Linear(10, 32), nn.ReLU(), nn.Linear(32, 2))
optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
for epoch in range(2):
    for inputs, labels in train:
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(inputs), labels)
        loss.backward()
        optimizer.step()
    print(epoch, loss.item())
