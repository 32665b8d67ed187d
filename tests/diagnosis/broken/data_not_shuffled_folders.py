"""Pictures in the order of their folders, one class after the other, and shuffle was forgotten."""
# finding: data.not_shuffled|data.label_constant
# also: loss.oscillating|loss.spike
# live

import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset


class Folders(Dataset):
    def __init__(self):
        self.samples = [(c, i) for c in range(5) for i in range(160)]

    def __len__(self):
        return len(self.samples)

    def __getitem__(self, i):
        c, n = self.samples[i]
        g = torch.Generator().manual_seed(n * 7 + c)
        picture = torch.randn(1, 8, 8, generator=g)
        picture[0, c] += 1.5
        return picture, c


torch.manual_seed(1)
model = nn.Sequential(nn.Flatten(), nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 5))
optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
for epoch in range(3):
    for x, y in DataLoader(Folders(), batch_size=16):
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
    print(epoch, loss.item())
