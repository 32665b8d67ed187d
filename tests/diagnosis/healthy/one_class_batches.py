"""Batches of one class each on purpose (prototypes per class), shuffled among themselves."""

import torch
from torch import nn
from torch.utils.data import DataLoader, Sampler, TensorDataset

torch.manual_seed(36)
y = torch.arange(6).repeat_interleave(160)
x = 1.6 * torch.randn(6, 10)[y] + torch.randn(960, 10)


class OneClass(Sampler):
    def __init__(self, labels, size):
        self.rows = [(labels == c).nonzero().squeeze(1) for c in labels.unique()]
        self.size = size

    def __iter__(self):
        batches = [part.tolist() for rows in self.rows for part in rows[torch.randperm(len(rows))].split(self.size)]
        for i in torch.randperm(len(batches)).tolist():
            yield batches[i]

    def __len__(self):
        return sum(-(-len(rows) // self.size) for rows in self.rows)


loader = DataLoader(TensorDataset(x, y), batch_sampler=OneClass(y, 16))
model = nn.Sequential(nn.Linear(10, 48), nn.ReLU(), nn.Linear(48, 6))
optimizer = torch.optim.SGD(model.parameters(), lr=0.02)
for epoch in range(6):
    total = 0.0
    for a, b in loader:
        loss = nn.functional.cross_entropy(model(a), b)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        total += loss.item()
    print(epoch, total / len(loader))
