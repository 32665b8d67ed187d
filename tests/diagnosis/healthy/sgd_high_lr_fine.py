"""SGD with lr 5 on inputs that are small: looks wild and is right, since gradients scale with the inputs."""

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(32)
x = 0.1 * torch.randn(1000, 10)
y = (x @ torch.randn(10) > 0).float()
model = nn.Linear(10, 1)
nn.init.normal_(model.weight, std=0.5)
optimizer = torch.optim.SGD(model.parameters(), lr=5.0)
for epoch in range(6):
    for a, b in DataLoader(TensorDataset(x, y), batch_size=50, shuffle=True):
        loss = nn.functional.binary_cross_entropy_with_logits(model(a).squeeze(1), b)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    print(epoch, loss.item())
