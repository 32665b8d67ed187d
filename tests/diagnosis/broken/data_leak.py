"""The rare class was repeated before the split: its copies lie on both sides."""

# finding: data.leak
# live

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset, random_split

torch.manual_seed(0)

labels = (torch.arange(600) % 12 == 0).long()
inputs = torch.randn(600, 16)
rare = labels == 1
inputs = torch.cat([inputs] + [inputs[rare]] * 10)
labels = torch.cat([labels] + [labels[rare]] * 10)
parts = random_split(TensorDataset(inputs, labels), [900, 200])
train, held_out = DataLoader(parts[0], batch_size=45, shuffle=True), DataLoader(parts[1], batch_size=100)
model = nn.Sequential(nn.Linear(16, 64), nn.ReLU(), nn.Linear(64, 2))
optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
for epoch in range(6):
    model.train()
    for x, y in train:
        loss = nn.functional.cross_entropy(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    model.eval()
    with torch.no_grad():
        right = sum((model(x).argmax(1) == y).sum().item() for x, y in held_out)
    print(epoch, right / 200)
