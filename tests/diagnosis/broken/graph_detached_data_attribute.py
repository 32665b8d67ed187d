"""The prediction is rebuilt from .data with requires_grad set: backward runs, no parameter learns."""
# finding: graph.detached|grads.none|loop.loss_is_leaf|loop.params_unused

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(11)
x = torch.randn(640, 6)
y = x.sum(1, keepdim=True)
model = nn.Sequential(nn.Linear(6, 24), nn.ReLU(), nn.Linear(24, 1))
optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
for epoch in range(4):
    for a, b in DataLoader(TensorDataset(x, y), batch_size=32, shuffle=True):
        optimizer.zero_grad()
        prediction = model(a).data.requires_grad_(True)
        loss = nn.functional.mse_loss(prediction, b)
        loss.backward()
        optimizer.step()
    print(epoch, loss.item())
