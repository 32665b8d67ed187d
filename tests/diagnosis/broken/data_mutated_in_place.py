"""Augmentation by += on the dataset's own rows: each epoch adds noise to the noise."""
# finding: data.mutated
# live

import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset


class Augmented(Dataset):
    def __init__(self):
        self.x = torch.randn(240, 8)
        self.y = (self.x[:, 0] > 0).long()

    def __len__(self):
        return len(self.x)

    def __getitem__(self, i):
        row = self.x[i]
        row += 0.3 * torch.randn(8)
        return row, self.y[i]


torch.manual_seed(7)
model = nn.Sequential(nn.Linear(8, 32), nn.ReLU(), nn.Linear(32, 2))
optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
data = Augmented()
for epoch in range(12):
    for a, b in DataLoader(data, batch_size=12, shuffle=True):
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(a), b)
        loss.backward()
        optimizer.step()
    print(epoch, loss.item())
