"""Masks of 0 and 255 as targets of binary_cross_entropy_with_logits: the loss falls below zero."""
# finding: loss.target_range
# also: loss.diverging|loss.initial_value

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(9)
images = torch.randn(160, 1, 10, 10)
masks = (images > 0.5).float() * 255
model = nn.Sequential(nn.Conv2d(1, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 1, 1))
optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
for epoch in range(4):
    for a, b in DataLoader(TensorDataset(images, masks), batch_size=16, shuffle=True):
        optimizer.zero_grad()
        loss = nn.functional.binary_cross_entropy_with_logits(model(a), b)
        loss.backward()
        optimizer.step()
    print(epoch, loss.item())
