"""The distance of a point to itself: sqrt(0) has an infinite derivative, and the weights become NaN."""
# finding: grads.nonfinite|loss.nonfinite

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(0)
x, y = torch.randn(800, 6), torch.randint(0, 4, (800,))
embed = nn.Sequential(nn.Linear(6, 32), nn.ReLU(), nn.Linear(32, 8))
optimizer = torch.optim.Adam(embed.parameters(), lr=1e-3)
for epoch in range(2):
    for xb, yb in DataLoader(TensorDataset(x, y), batch_size=32, shuffle=True):
        z = embed(xb)
        distance = (z.unsqueeze(1) - z.unsqueeze(0)).pow(2).sum(-1).sqrt()
        same = (yb.unsqueeze(1) == yb.unsqueeze(0)).float()
        loss = (same * distance + (1 - same) * torch.relu(1 - distance)).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    print(f"epoch {epoch} loss {loss.item():.3f}")
