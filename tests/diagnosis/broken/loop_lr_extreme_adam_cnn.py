"""Adam with lr 0.5 on a small convolutional network."""
# finding: loop.lr_extreme
# also: loss.diverging|model.dead_units|loss.not_decreasing|loss.oscillating|loss.spike|model.collapse|loss.constant
# live

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(15)
images = torch.randn(640, 1, 10, 10)
labels = (images[:, 0, :5].mean((1, 2)) > images[:, 0, 5:].mean((1, 2))).long()
model = nn.Sequential(nn.Conv2d(1, 8, 3), nn.ReLU(), nn.Conv2d(8, 8, 3), nn.ReLU(), nn.Flatten(), nn.Linear(288, 2))
optimizer = torch.optim.Adam(model.parameters(), lr=0.5)
for epoch in range(4):
    for a, b in DataLoader(TensorDataset(images, labels), batch_size=16, shuffle=True):
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(a), b)
        loss.backward()
        optimizer.step()
    print(epoch, loss.item())
