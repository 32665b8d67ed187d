"""Pixels from 0 to 255 go through a batch norm first."""

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(0)

labels = torch.randint(0, 4, (480,))
pictures = torch.randint(0, 120, (480, 3, 12, 12), dtype=torch.uint8)
for kind in range(4):
    pictures[labels == kind, :, 3 * kind : 3 * kind + 3] += 130
train = DataLoader(TensorDataset(pictures, labels), batch_size=32, shuffle=True)
model = nn.Sequential(
    nn.Conv2d(3, 8, 3, bias=False),
    nn.BatchNorm2d(8),
    nn.ReLU(),
    nn.AdaptiveAvgPool2d(4),
    nn.Flatten(),
    nn.Linear(128, 4),
)
optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
for epoch in range(3):
    for images, targets in train:
        loss = nn.functional.cross_entropy(model(images.float()), targets)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    print(epoch, loss.item())
