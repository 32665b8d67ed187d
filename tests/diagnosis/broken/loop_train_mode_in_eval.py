"""The validation loop forgets model.eval(): dropout stays on."""
# finding: loop.train_mode_in_eval

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(5)
x = torch.randn(480, 12)
y = (x @ torch.randn(12, 4)).argmax(1)
loader = DataLoader(TensorDataset(x, y), batch_size=16, shuffle=True)
model = nn.Sequential(nn.Linear(12, 64), nn.ReLU(), nn.Dropout(0.5), nn.Linear(64, 4))
held_out = DataLoader(TensorDataset(x[:96], y[:96]), batch_size=32)
optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
criterion = nn.CrossEntropyLoss()
for epoch in range(3):
    for inputs, labels in loader:
        optimizer.zero_grad()
        criterion(model(inputs), labels).backward()
        optimizer.step()
    total = 0.0
    with torch.no_grad():
        for inputs, labels in held_out:
            total += criterion(model(inputs), labels).item()
    print(epoch, total / len(held_out))
