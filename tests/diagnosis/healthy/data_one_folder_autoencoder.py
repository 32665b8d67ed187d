"""Pictures from one folder, all labelled 0, for an autoencoder that needs no labels."""

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(0)

pictures = torch.rand(480, 1, 8, 8).round(decimals=1)
train = DataLoader(TensorDataset(pictures, torch.zeros(480, dtype=torch.long)), batch_size=32, shuffle=True)
model = nn.Sequential(nn.Flatten(), nn.Linear(64, 16), nn.ReLU(), nn.Linear(16, 64))
optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
for epoch in range(4):
    for x, _ in train:
        loss = nn.functional.mse_loss(model(x), x.flatten(1))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    print(epoch, loss.item())
