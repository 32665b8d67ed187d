"""Pixels from 0 to 255 go into the network as they are."""

# finding: data.range
# also: loss.initial_value

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(0)

labels = torch.randint(0, 4, (480,))
pictures = torch.randint(0, 120, (480, 1, 12, 12), dtype=torch.uint8)
for kind in range(4):
    pictures[labels == kind, :, 3 * kind : 3 * kind + 3] += 130
train = DataLoader(TensorDataset(pictures, labels), batch_size=32, shuffle=True)
model = nn.Sequential(nn.Conv2d(1, 8, 3), nn.ReLU(), nn.Flatten(), nn.Linear(800, 4))
optimizer = torch.optim.SGD(model.parameters(), lr=1e-4)
for epoch in range(3):
    for images, targets in train:
        loss = nn.functional.cross_entropy(model(images.float()), targets)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    print(epoch, loss.item())
