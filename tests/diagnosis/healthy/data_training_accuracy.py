"""A part of the training data is evaluated, too, to see how far memory and generalisation part."""

import torch
from torch import nn
from torch.utils.data import DataLoader, Subset, TensorDataset

torch.manual_seed(0)

inputs = torch.randn(900, 16)
labels = (inputs[:, :5].sum(1) > 0).long()
data = TensorDataset(inputs, labels)
train = DataLoader(Subset(data, range(700)), batch_size=35, shuffle=True)
seen = DataLoader(Subset(data, range(150)), batch_size=75)
test = DataLoader(Subset(data, range(700, 900)), batch_size=100)
model = nn.Sequential(nn.Linear(16, 32), nn.ReLU(), nn.Linear(32, 2))
optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)


def accuracy(loader):
    model.eval()
    with torch.no_grad():
        pairs = [(model(x).argmax(1) == y).float().mean().item() for x, y in loader]
    model.train()
    return sum(pairs) / len(pairs)


for epoch in range(4):
    for x, y in train:
        loss = nn.functional.cross_entropy(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    print(epoch, accuracy(seen), accuracy(test))
