"""The loss is wrapped with torch.tensor(..., requires_grad=True) to silence an error."""
# finding: loop.loss_is_leaf|graph.detached|grads.none

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(12)
x = torch.randn(640, 6)
y = (x[:, 0] > 0).long()
model = nn.Sequential(nn.Linear(6, 24), nn.ReLU(), nn.Linear(24, 2))
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
for epoch in range(4):
    for a, b in DataLoader(TensorDataset(x, y), batch_size=32, shuffle=True):
        errors = (model(a).argmax(1) != b).float().mean()
        loss = torch.tensor(errors.item(), requires_grad=True)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    print(epoch, loss.item())
