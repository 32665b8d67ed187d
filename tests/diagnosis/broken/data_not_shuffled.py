"""Samples sorted by class, read in order."""

# finding: data.not_shuffled
# also: data.label_constant

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(0)

centres = torch.randn(5, 16)
labels = torch.arange(5).repeat_interleave(120)
inputs = centres[labels] + 0.7 * torch.randn(600, 16)
train = DataLoader(TensorDataset(inputs, labels), batch_size=30)

model = nn.Sequential(nn.Linear(16, 32), nn.ReLU(), nn.Linear(32, 5))
optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
for epoch in range(4):
    for inputs, labels in train:
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(inputs), labels)
        loss.backward()
        optimizer.step()
    print(epoch, loss.item())
