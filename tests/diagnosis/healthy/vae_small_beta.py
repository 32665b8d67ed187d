"""A beta-VAE whose KL term has a weight of 1e-4 and warms up: one summand is tiny on purpose."""

import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(2)
factors = torch.rand(1500, 2)
grid = torch.linspace(0, 1, 24)
curves = torch.sigmoid(12 * (grid[None] - factors[:, :1])) * (0.5 + factors[:, 1:]) + 0.01 * torch.randn(1500, 24)
loader = DataLoader(TensorDataset(curves), batch_size=50, shuffle=True)


class VAE(nn.Module):
    def __init__(self):
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(24, 64), nn.SiLU(), nn.Linear(64, 8))
        self.decoder = nn.Sequential(nn.Linear(4, 64), nn.SiLU(), nn.Linear(64, 24))

    def forward(self, x):
        mean, log_variance = self.encoder(x).chunk(2, dim=-1)
        z = mean + torch.randn_like(mean) * (0.5 * log_variance).exp()
        return self.decoder(z), mean, log_variance


model = VAE()
optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
step = 0
for epoch in range(10):
    for (x,) in loader:
        reconstructed, mean, log_variance = model(x)
        fit = F.mse_loss(reconstructed, x)
        kl = -0.5 * (1 + log_variance - mean.square() - log_variance.exp()).sum(1).mean()
        loss = fit + 1e-4 * min(1.0, step / 150) * kl
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        step += 1
    print(f"epoch {epoch}: fit {fit.item():.5f} kl {kl.item():.3f}")
