"""Class labels read from a table are floats; cross entropy wants whole numbers."""
# finding: crash.dtype|data.dtype

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(26)
table = torch.randn(300, 9)
table[:, 8] = table[:, :3].argmax(1).float()
model = nn.Sequential(nn.Linear(8, 24), nn.ReLU(), nn.Linear(24, 3))
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
criterion = nn.CrossEntropyLoss()
for epoch in range(2):
    for x, y in DataLoader(TensorDataset(table[:, :8], table[:, 8]), batch_size=30, shuffle=True):
        loss = criterion(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
