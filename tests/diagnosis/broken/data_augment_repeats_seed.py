"""Every worker is given the same NumPy seed."""

# finding: data.augment_repeats

import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset


def seed_worker(worker):
    np.random.seed(42)


class Noisy(Dataset):
    values = np.random.default_rng(0).normal(size=(256, 8)).astype(np.float32)

    def __len__(self):
        return 256

    def __getitem__(self, index):
        noise = np.random.normal(size=8).astype(np.float32)
        return torch.from_numpy(self.values[index] + 0.1 * noise), int(self.values[index].sum() > 0)


torch.manual_seed(0)
train = DataLoader(Noisy(), batch_size=32, shuffle=True, num_workers=2, worker_init_fn=seed_worker)

model = nn.Sequential(nn.Linear(8, 32), nn.ReLU(), nn.Linear(32, 2))
optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
for epoch in range(2):
    for inputs, labels in train:
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(inputs), labels)
        loss.backward()
        optimizer.step()
    print(epoch, loss.item())
