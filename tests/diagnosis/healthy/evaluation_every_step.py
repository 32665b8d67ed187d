"""A whole evaluation after every training step, and the mode set back each time."""

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(37)
x = torch.randn(700, 9)
y = (x[:, :3].sum(1) > x[:, 3:6].sum(1)).long()
train = DataLoader(TensorDataset(x[:600], y[:600]), batch_size=20, shuffle=True)
valid = DataLoader(TensorDataset(x[600:], y[600:]), batch_size=50)
model = nn.Sequential(nn.Linear(9, 32), nn.BatchNorm1d(32), nn.ReLU(), nn.Dropout(0.2), nn.Linear(32, 2))
optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)


@torch.no_grad()
def evaluate():
    was = model.training
    model.eval()
    value = sum(nn.functional.cross_entropy(model(a), b).item() for a, b in valid) / len(valid)
    model.train(was)
    return value


for epoch in range(3):
    for step, (a, b) in enumerate(train):
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(a), b)
        loss.backward()
        optimizer.step()
        value = evaluate()
        if step % 10 == 0:
            print(epoch, step, f"{loss.item():.3f} {value:.3f}")
