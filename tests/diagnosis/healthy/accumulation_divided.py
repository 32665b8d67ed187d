"""Gradients of four micro-batches are accumulated, each loss divided by four; the last, shorter group counts, too."""

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(0)
ACCUMULATE = 4
x = torch.randn(1200, 16)
y = (x[:, :3].prod(1) > 0).long() + 2 * (x[:, 3] > 0).long()
train = DataLoader(TensorDataset(x[:1000], y[:1000]), batch_size=24, shuffle=True)
valid = DataLoader(TensorDataset(x[1000:], y[1000:]), batch_size=100)
model = nn.Sequential(nn.Linear(16, 64), nn.GELU(), nn.LayerNorm(64), nn.Linear(64, 64), nn.GELU(), nn.Linear(64, 4))
optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
criterion = nn.CrossEntropyLoss()

for epoch in range(8):
    model.train()
    optimizer.zero_grad()
    for number, (inputs, labels) in enumerate(train):
        loss = criterion(model(inputs), labels) / ACCUMULATE
        loss.backward()
        if (number + 1) % ACCUMULATE == 0 or number + 1 == len(train):
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            optimizer.zero_grad()
    model.eval()
    with torch.no_grad():
        right = sum((model(a).argmax(1) == b).sum().item() for a, b in valid)
    print(f"epoch {epoch}: loss {loss.item() * ACCUMULATE:.3f}, accuracy {right / 200:.3f}")
