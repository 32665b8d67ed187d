"""A VAE whose reconstruction is averaged over pixels and whose KL term is summed over the batch."""
# finding: loss.term_imbalance
# live

import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(0)


class Vae(nn.Module):
    def __init__(self):
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(64, 96), nn.ReLU())
        self.mean, self.log_variance = nn.Linear(96, 8), nn.Linear(96, 8)
        self.decoder = nn.Sequential(nn.Linear(8, 96), nn.ReLU(), nn.Linear(96, 64))

    def forward(self, x):
        hidden = self.encoder(x)
        mean, log_variance = self.mean(hidden), self.log_variance(hidden)
        z = mean + torch.randn_like(mean) * (0.5 * log_variance).exp()
        return self.decoder(z), mean, log_variance


basis = torch.randn(4, 64)
data = torch.randn(2048, 4) @ basis
model = Vae()
optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
for epoch in range(6):
    for (x,) in DataLoader(TensorDataset(data), batch_size=128, shuffle=True):
        optimizer.zero_grad()
        output, mean, log_variance = model(x)
        reconstruction = F.mse_loss(output, x)
        divergence = -0.5 * (1 + log_variance - mean.pow(2) - log_variance.exp()).sum() * 10
        loss = reconstruction + divergence
        loss.backward()
        optimizer.step()
    print(f"epoch {epoch} reconstruction {reconstruction.item():.3f} kl {divergence.item():.4f}")
