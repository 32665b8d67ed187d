"""An autoencoder with a sigmoid at its end and BCELoss on grey values between 0 and 1: right, soft targets."""

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(43)
centre = torch.rand(1000, 2) * 8 + 2
place = torch.arange(12).float()
distance = (place[None, :, None] - centre[:, :1, None]) ** 2 + (place[None, None] - centre[:, 1:, None]) ** 2
images = torch.exp(-distance / 5).unsqueeze(1)
model = nn.Sequential(
    nn.Conv2d(1, 8, 3, stride=2, padding=1),
    nn.ReLU(),
    nn.Flatten(),
    nn.Linear(288, 6),
    nn.Linear(6, 288),
    nn.ReLU(),
    nn.Unflatten(1, (8, 6, 6)),
    nn.ConvTranspose2d(8, 1, 4, stride=2, padding=1),
    nn.Sigmoid(),
)
optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
criterion = nn.BCELoss()
for epoch in range(4):
    for (x,) in DataLoader(TensorDataset(images), batch_size=40, shuffle=True):
        optimizer.zero_grad()
        loss = criterion(model(x), x)
        loss.backward()
        optimizer.step()
    print(epoch, loss.item())
