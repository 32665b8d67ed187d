"""Sixty rows, a network of ten thousand weights and forty epochs: the curves part."""
# finding: eval.overfitting
# live

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(25)
x = torch.randn(200, 30)
y = ((x[:, 0] + 1.5 * torch.randn(200)) > 0).long()
train = DataLoader(TensorDataset(x[:60], y[:60]), batch_size=10, shuffle=True)
valid = DataLoader(TensorDataset(x[60:], y[60:]), batch_size=70)
model = nn.Sequential(nn.Linear(30, 128), nn.ReLU(), nn.Linear(128, 64), nn.ReLU(), nn.Linear(64, 2))
optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
for epoch in range(40):
    model.train()
    for a, b in train:
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(a), b)
        loss.backward()
        optimizer.step()
    model.eval()
    with torch.no_grad():
        val_loss = sum(nn.functional.cross_entropy(model(a), b).item() for a, b in valid) / len(valid)
    print(f"epoch {epoch} loss {loss.item():.3f} val_loss {val_loss:.3f}")
