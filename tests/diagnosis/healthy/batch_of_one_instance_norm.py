"""Batches of one picture, instance normalisation, a residual target: image restoration."""

import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset


class Noisy(Dataset):
    def __len__(self):
        return 120

    def __getitem__(self, i):
        g = torch.Generator().manual_seed(i)
        ramp = torch.linspace(0, 1, 16)
        picture = (ramp[None] * torch.rand(16, 1, generator=g) + 0.3 * torch.rand((), generator=g)).unsqueeze(0)
        return picture + 0.1 * torch.randn(1, 16, 16, generator=g), picture


torch.manual_seed(42)
model = nn.Sequential(
    nn.Conv2d(1, 16, 3, padding=1),
    nn.InstanceNorm2d(16, affine=True),
    nn.ReLU(),
    nn.Conv2d(16, 16, 3, padding=1),
    nn.ReLU(),
    nn.Conv2d(16, 1, 3, padding=1),
)
optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
for epoch in range(2):
    for noisy, clean in DataLoader(Noisy(), batch_size=1, shuffle=True):
        loss = nn.functional.mse_loss(noisy - model(noisy), clean)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    print(epoch, loss.item())
