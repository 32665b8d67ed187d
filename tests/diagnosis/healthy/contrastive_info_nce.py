"""InfoNCE: every sample's loss depends on all others in the batch, labels are 0…N-1, the temperature is learned."""

import math

import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.data import DataLoader, Dataset


class Pairs(Dataset):
    def __init__(self, n):
        g = torch.Generator().manual_seed(1)
        self.latent = torch.randn(n, 6, generator=g)
        self.left, self.right = torch.randn(6, 30, generator=g), torch.randn(6, 20, generator=g)

    def __len__(self):
        return len(self.latent)

    def __getitem__(self, i):
        z = self.latent[i]
        return z @ self.left + 0.3 * torch.randn(30), torch.tanh(z @ self.right) + 0.1 * torch.randn(20)


class Clip(nn.Module):
    def __init__(self):
        super().__init__()
        self.image = nn.Sequential(nn.Linear(30, 64), nn.ReLU(), nn.Linear(64, 16))
        self.text = nn.Sequential(nn.Linear(20, 64), nn.ReLU(), nn.Linear(64, 16))
        self.scale = nn.Parameter(torch.tensor(math.log(1 / 0.07)))

    def forward(self, a, b):
        a, b = F.normalize(self.image(a), dim=-1), F.normalize(self.text(b), dim=-1)
        return self.scale.exp() * a @ b.t()


torch.manual_seed(7)
loader = DataLoader(Pairs(1280), batch_size=64, shuffle=True, drop_last=True)
model = Clip()
optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3, weight_decay=0.05)
for epoch in range(5):
    for a, b in loader:
        logits = model(a, b)
        labels = torch.arange(len(a))
        loss = (F.cross_entropy(logits, labels) + F.cross_entropy(logits.t(), labels)) / 2
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        with torch.no_grad():
            model.scale.clamp_(0, 4.6)
    print(f"epoch {epoch} loss {loss.item():.3f} temperature {1 / model.scale.exp().item():.3f}")
