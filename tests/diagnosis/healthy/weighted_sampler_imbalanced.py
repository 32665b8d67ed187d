"""One positive in thirty, drawn with replacement by a weighted sampler; evaluation keeps the natural frequency."""

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset, WeightedRandomSampler

torch.manual_seed(15)
y = (torch.rand(1800) < 1 / 30).float()
x = torch.randn(1800, 12) + 1.2 * y[:, None]
train, test = TensorDataset(x[:1500], y[:1500]), TensorDataset(x[1500:], y[1500:])
weight = torch.where(y[:1500] == 1, 15.0, 0.5)
loader = DataLoader(train, batch_size=50, sampler=WeightedRandomSampler(weight, len(train), replacement=True))
model = nn.Sequential(nn.Linear(12, 32), nn.ReLU(), nn.Linear(32, 1), nn.Flatten(0))
optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
for epoch in range(6):
    model.train()
    for a, b in loader:
        optimizer.zero_grad()
        loss = nn.functional.binary_cross_entropy_with_logits(model(a), b)
        loss.backward()
        optimizer.step()
    model.eval()
    with torch.no_grad():
        score = torch.cat([model(a) for a, _ in DataLoader(test, batch_size=100)])
    print(epoch, loss.item(), "recall", (score[y[1500:] == 1] > 0).float().mean().item())
