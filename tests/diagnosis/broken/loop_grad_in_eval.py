"""Evaluation without no_grad: a graph is recorded for every batch and thrown away."""
# finding: loop.grad_in_eval

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(6)
x = torch.randn(480, 12)
y = (x @ torch.randn(12, 4)).argmax(1)
loader = DataLoader(TensorDataset(x, y), batch_size=16, shuffle=True)
model = nn.Sequential(nn.Linear(12, 32), nn.ReLU(), nn.Linear(32, 4))

held_out = DataLoader(TensorDataset(x[:96], y[:96]), batch_size=32)
optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
criterion = nn.CrossEntropyLoss()
for epoch in range(3):
    model.train()
    for inputs, labels in loader:
        optimizer.zero_grad()
        criterion(model(inputs), labels).backward()
        optimizer.step()
    model.eval()
    total = sum(criterion(model(inputs), labels).item() for inputs, labels in held_out)
    print(epoch, total / len(held_out))
