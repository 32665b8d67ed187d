"""Twelve yes-or-no answers: the same rows come up in training and test by nature."""

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset, random_split

torch.manual_seed(0)

answers = torch.randint(0, 2, (1200, 12)).float()
labels = (answers[:, :4].sum(1) + answers[:, 5] > 2).long()
parts = random_split(TensorDataset(answers, labels), [900, 300])
train, test = DataLoader(parts[0], batch_size=45, shuffle=True), DataLoader(parts[1], batch_size=100)
model = nn.Sequential(nn.Linear(12, 32), nn.ReLU(), nn.Linear(32, 2))
optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
for epoch in range(5):
    model.train()
    for x, y in train:
        loss = nn.functional.cross_entropy(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    model.eval()
    with torch.no_grad():
        print(epoch, sum((model(x).argmax(1) == y).sum().item() for x, y in test))
