"""A GAN whose discriminator is only stepped while it is bad, and whose generator goes every third batch."""

import torch
from torch import nn
from torch.utils.data import DataLoader

torch.manual_seed(6)
real_data = torch.randn(960, 2) * torch.tensor([1.0, 0.3]) + torch.tensor([2.0, -1.0])
G = nn.Sequential(nn.Linear(4, 32), nn.ReLU(), nn.Linear(32, 2))
D = nn.Sequential(nn.Linear(2, 32), nn.LeakyReLU(0.2), nn.Linear(32, 1))
opt_G = torch.optim.Adam(G.parameters(), lr=1e-3, betas=(0.5, 0.9))
opt_D = torch.optim.Adam(D.parameters(), lr=1e-3, betas=(0.5, 0.9))
bce = nn.BCEWithLogitsLoss()
for epoch in range(3):
    for i, real in enumerate(DataLoader(real_data, batch_size=32, shuffle=True)):
        fake = G(torch.randn(len(real), 4))
        opt_D.zero_grad()
        on_real, on_fake = D(real), D(fake.detach())
        loss_D = bce(on_real, torch.ones_like(on_real)) + bce(on_fake, torch.zeros_like(on_fake))
        loss_D.backward()
        if loss_D.item() > 0.6:
            opt_D.step()
        if i % 3 == 2:
            opt_G.zero_grad()
            loss_G = bce(D(fake), torch.ones(len(real), 1))
            loss_G.backward()
            opt_G.step()
    print(epoch, loss_D.item(), loss_G.item())
