"""Eight micro-batches are added up and nobody divides by eight."""
# finding: loop.accumulation_unscaled

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(19)
x = torch.randn(1600, 10)
y = (x[:, 0] > 0).long()
model = nn.Sequential(nn.Linear(10, 32), nn.ReLU(), nn.Linear(32, 2))
optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
for epoch in range(6):
    for i, (a, b) in enumerate(DataLoader(TensorDataset(x, y), batch_size=8, shuffle=True)):
        loss = nn.functional.cross_entropy(model(a), b)
        loss.backward()
        if i % 8 == 7:
            optimizer.step()
            optimizer.zero_grad()
    print(epoch, loss.item())
