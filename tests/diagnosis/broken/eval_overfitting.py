"""Forty rows with random labels: the training loss falls, the held-out loss climbs."""
# finding: eval.overfitting
# live

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(22)
x = torch.randn(480, 12)
y = (x @ torch.randn(12, 4)).argmax(1)
loader = DataLoader(TensorDataset(x, y), batch_size=16, shuffle=True)
model = nn.Sequential(nn.Linear(12, 128), nn.ReLU(), nn.Linear(128, 4))
noise = torch.randint(0, 4, (480,))
few = DataLoader(TensorDataset(x[:40], noise[:40]), batch_size=10, shuffle=True)
held_out = DataLoader(TensorDataset(x[200:300], noise[200:300]), batch_size=50)
optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
criterion = nn.CrossEntropyLoss()
for epoch in range(20):
    model.train()
    for inputs, labels in few:
        optimizer.zero_grad()
        criterion(model(inputs), labels).backward()
        optimizer.step()
    model.eval()
    with torch.no_grad():
        val = sum(criterion(model(inputs), labels).item() for inputs, labels in held_out) / len(held_out)
    print(epoch, val)
