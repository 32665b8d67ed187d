"""A NumPy array is float64, the weights are float32."""

# finding: data.dtype|crash.dtype
# also: crash.dtype|data.dtype

import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(0)
table = np.random.default_rng(0).normal(size=(200, 6))
labels = torch.from_numpy((table.sum(1) > 0).astype(np.int64))
train = DataLoader(TensorDataset(torch.from_numpy(table), labels), batch_size=20, shuffle=True)

model = nn.Sequential(nn.Linear(6, 32), nn.ReLU(), nn.Linear(32, 2))
optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
for epoch in range(2):
    for inputs, labels in train:
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(inputs), labels)
        loss.backward()
        optimizer.step()
    print(epoch, loss.item())
