"""Regression targets between 0 and 1 become whole numbers on their way to the loss."""

# finding: data.target_truncated

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(0)

inputs = torch.randn(400, 8)
targets = torch.sigmoid(inputs[:, :3].sum(1, keepdim=True)) * 3
train = DataLoader(TensorDataset(inputs, targets), batch_size=40, shuffle=True)
model = nn.Sequential(nn.Linear(8, 32), nn.ReLU(), nn.Linear(32, 1))
optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
for epoch in range(4):
    for x, y in train:
        y = y.long()
        loss = nn.functional.mse_loss(model(x), y.float())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    print(epoch, loss.item())
