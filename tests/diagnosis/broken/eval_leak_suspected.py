"""Evaluated on easy rows only: the held-out loss is far below the training loss from the start."""
# finding: eval.leak_suspected
# also: data.leak
# live

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(24)
x = torch.randn(480, 12)
y = (x @ torch.randn(12, 4)).argmax(1)
loader = DataLoader(TensorDataset(x, y), batch_size=16, shuffle=True)
flip = torch.rand(480) < 0.4
mixed = torch.where(flip, torch.randint(0, 4, (480,)), y)
model = nn.Sequential(nn.Linear(12, 4))
train = DataLoader(TensorDataset(x, mixed), batch_size=32, shuffle=True)
clean = DataLoader(TensorDataset(x[~flip][:100], y[~flip][:100]), batch_size=50)
optimizer = torch.optim.Adam(model.parameters(), lr=2e-2)
criterion = nn.CrossEntropyLoss()
for epoch in range(12):
    model.train()
    for inputs, labels in train:
        optimizer.zero_grad()
        criterion(model(inputs), labels).backward()
        optimizer.step()
    model.eval()
    with torch.no_grad():
        val = sum(criterion(model(inputs), labels).item() for inputs, labels in clean) / len(clean)
    print(epoch, val)
