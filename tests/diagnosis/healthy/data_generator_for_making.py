"""The data set keeps the generator it was made with; its workers never draw from it."""

import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset


class Made(Dataset):
    def __init__(self):
        self.rng = np.random.default_rng(0)
        self.values = self.rng.normal(size=(256, 8)).astype(np.float32)

    def __len__(self):
        return len(self.values)

    def __getitem__(self, index):
        noise = 0.1 * torch.randn(8)
        return torch.from_numpy(self.values[index]) + noise, int(self.values[index].sum() > 0)


torch.manual_seed(0)
train = DataLoader(Made(), batch_size=32, shuffle=True, num_workers=2)

model = nn.Sequential(nn.Linear(8, 32), nn.ReLU(), nn.Linear(32, 2))
optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
for epoch in range(2):
    for inputs, labels in train:
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(inputs), labels)
        loss.backward()
        optimizer.step()
    print(epoch, loss.item())
