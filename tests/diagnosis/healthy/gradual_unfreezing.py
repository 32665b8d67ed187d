"""Layers thaw one after the other; each time a parameter group is added to the optimizer."""

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(6)
x = torch.randn(900, 12)
y = (x[:, 0] * x[:, 1] + x[:, 2]).gt(0).long()
loader = DataLoader(TensorDataset(x, y), batch_size=30, shuffle=True)
model = nn.Sequential(nn.Linear(12, 48), nn.ReLU(), nn.Dropout(0.1), nn.Linear(48, 48), nn.ReLU(), nn.Linear(48, 2))
layers = [model[0], model[3], model[5]]
for layer in layers[:2]:
    layer.requires_grad_(False)
optimizer = torch.optim.Adam(model[5].parameters(), lr=2e-3)
for epoch in range(6):
    if epoch == 2:
        model[3].requires_grad_(True)
        optimizer.add_param_group({"params": list(model[3].parameters()), "lr": 1e-3})
    if epoch == 4:
        model[0].requires_grad_(True)
        optimizer.add_param_group({"params": list(model[0].parameters()), "lr": 5e-4})
    model.train()
    for inputs, labels in loader:
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(inputs), labels)
        loss.backward()
        optimizer.step()
    model.eval()
    with torch.no_grad():
        print(epoch, f"{loss.item():.3f}", (model(x).argmax(1) == y).float().mean().item())
