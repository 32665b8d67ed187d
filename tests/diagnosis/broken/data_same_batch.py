"""The loop begins a new pass over the loader at every step and so never gets past its first batch."""

# finding: data.same_batch
# live

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(0)

inputs = torch.randn(512, 20)
labels = (inputs[:, :5].sum(1) > 0).long()
train = DataLoader(TensorDataset(inputs, labels), batch_size=32)
model = nn.Sequential(nn.Linear(20, 32), nn.ReLU(), nn.Linear(32, 2))
optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
for _ in range(60):
    x, y = next(iter(train))
    optimizer.zero_grad()
    loss = nn.functional.cross_entropy(model(x), y)
    loss.backward()
    optimizer.step()
print(loss.item())
