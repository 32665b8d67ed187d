"""Twelve layers that start with weights of deviation 0.01: the signal is gone before it reaches the end."""
# finding: model.init_scale
# also: grads.vanishing|model.collapse

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(0)
layers = [nn.Linear(32, 64), nn.Tanh()]
for _ in range(8):
    layers += [nn.Linear(64, 64), nn.Tanh()]
model = nn.Sequential(*layers, nn.Linear(64, 5))
for parameter in model.parameters():
    nn.init.normal_(parameter, std=0.01) if parameter.dim() > 1 else nn.init.zeros_(parameter)
x = torch.randn(1500, 32)
y = (x @ torch.randn(32, 5)).argmax(1)
optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
for epoch in range(2):
    for xb, yb in DataLoader(TensorDataset(x, y), batch_size=50, shuffle=True):
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(xb), yb)
        loss.backward()
        optimizer.step()
    print(f"epoch {epoch} loss {loss.item():.3f}")
