"""A generator in the data set is copied into both workers: they draw the same noise."""

# finding: data.augment_repeats

import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset


class Noisy(Dataset):
    def __init__(self):
        self.rng = np.random.default_rng(0)
        self.values = self.rng.normal(size=(256, 8)).astype(np.float32)

    def __len__(self):
        return len(self.values)

    def __getitem__(self, index):
        noise = self.rng.normal(size=8).astype(np.float32)
        return torch.from_numpy(self.values[index] + 0.1 * noise), int(self.values[index].sum() > 0)


torch.manual_seed(0)
train = DataLoader(Noisy(), batch_size=32, shuffle=True, num_workers=2)

model = nn.Sequential(nn.Linear(8, 32), nn.ReLU(), nn.Linear(32, 2))
optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
for epoch in range(2):
    for inputs, labels in train:
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(inputs), labels)
        loss.backward()
        optimizer.step()
    print(epoch, loss.item())
