"""Every fold has its own model: what one trains on, another may be tested with."""

import torch
from torch import nn
from torch.utils.data import DataLoader, Subset, TensorDataset

torch.manual_seed(0)

inputs = torch.randn(600, 16)
labels = (inputs[:, :5].sum(1) > 0).long()
data = TensorDataset(inputs, labels)
for fold in range(4):
    held_out = set(range(150 * fold, 150 * fold + 150))
    rest = [i for i in range(600) if i not in held_out]
    train = DataLoader(Subset(data, rest), batch_size=45, shuffle=True)
    test = DataLoader(Subset(data, sorted(held_out)), batch_size=75)
    model = nn.Sequential(nn.Linear(16, 32), nn.ReLU(), nn.Linear(32, 2))
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    for _ in range(3):
        for x, y in train:
            loss = nn.functional.cross_entropy(model(x), y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    model.eval()
    with torch.no_grad():
        print(fold, sum((model(x).argmax(1) == y).sum().item() for x, y in test))
