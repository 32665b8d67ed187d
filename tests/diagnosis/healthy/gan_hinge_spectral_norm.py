"""A hinge GAN with spectral normalisation whose discriminator's gradients of the generator's loss are thrown away."""

import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.utils.parametrizations import spectral_norm

torch.manual_seed(4)
D = nn.Sequential(
    spectral_norm(nn.Linear(10, 64)),
    nn.LeakyReLU(0.1),
    spectral_norm(nn.Linear(64, 64)),
    nn.LeakyReLU(0.1),
    spectral_norm(nn.Linear(64, 1)),
)
G = nn.Sequential(nn.Linear(6, 64), nn.ReLU(), nn.Linear(64, 10))
opt_d = torch.optim.Adam(D.parameters(), 4e-4, betas=(0.0, 0.9))
opt_g = torch.optim.Adam(G.parameters(), 1e-4, betas=(0.0, 0.9))
mix = torch.randn(3, 10)
for step in range(250):
    real = torch.randn(48, 3) @ mix / 2 + 1
    fake = G(torch.randn(48, 6))
    opt_g.zero_grad()
    g_loss = -D(fake).mean()
    g_loss.backward()  # leaves gradients in D, which its own zero_grad below clears
    opt_g.step()
    opt_d.zero_grad()
    d_loss = F.relu(1 - D(real)).mean() + F.relu(1 + D(fake.detach())).mean()
    d_loss.backward()
    opt_d.step()
    if step % 50 == 0:
        print(step, round(d_loss.item(), 3), round(g_loss.item(), 3))
