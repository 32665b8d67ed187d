"""Training rows are standardised, validation rows are not."""
# finding: data.eval_preprocessing

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(6)
raw = torch.randn(900, 8) * 12 + 70
target = (raw[:, :1] - 70) / 12
train_raw, valid_raw = raw[:700], raw[700:]
mean, std = train_raw.mean(0), train_raw.std(0)
train = DataLoader(TensorDataset((train_raw - mean) / std, target[:700]), batch_size=35, shuffle=True)
valid = DataLoader(TensorDataset(valid_raw, target[700:]), batch_size=50)
model = nn.Sequential(nn.Linear(8, 32), nn.ReLU(), nn.Linear(32, 1))
optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
for epoch in range(4):
    model.train()
    for a, b in train:
        optimizer.zero_grad()
        loss = nn.functional.mse_loss(model(a), b)
        loss.backward()
        optimizer.step()
    model.eval()
    with torch.no_grad():
        error = sum(nn.functional.mse_loss(model(a), b).item() for a, b in valid) / len(valid)
    print(epoch, loss.item(), error)
