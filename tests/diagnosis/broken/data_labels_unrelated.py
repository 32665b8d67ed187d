"""Inputs were shuffled without their labels: there is nothing to learn but the classes' shares."""
# finding: data.labels_unrelated
# live

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(0)
labels = torch.randint(0, 4, (9600,))
inputs = torch.randn(4, 12)[labels] + 0.5 * torch.randn(9600, 12)
inputs = inputs[torch.randperm(9600)]
train = DataLoader(TensorDataset(inputs, labels), batch_size=64, shuffle=True)
model = nn.Sequential(nn.Linear(12, 16), nn.ReLU(), nn.Linear(16, 4))
optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
for epoch in range(3):
    for a, b in train:
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(a), b)
        loss.backward()
        optimizer.step()
    print(epoch, loss.item())
