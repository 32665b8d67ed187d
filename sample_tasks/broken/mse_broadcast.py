"""A straight line with a little curve. The loss falls at first and then stops at the variance of the targets.

Why: the prediction has shape (N, 1), the target (N,). Their difference is broadcast to an N×N table, each prediction
is compared with every target, and the best answer is the mean for all.
Cure: `prediction.squeeze(1)`, or targets of shape (N, 1). torch does print a warning,
which is easily missed among other output.
"""
# finding: loss.broadcast

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(0)
inputs = torch.rand(1024, 4)
targets = 3 * inputs[:, 0] - 2 * inputs[:, 1] + inputs[:, 2] * inputs[:, 3] + 0.05 * torch.randn(1024)

loader = DataLoader(TensorDataset(inputs, targets), batch_size=64, shuffle=True)
regressor = nn.Sequential(nn.Linear(4, 32), nn.ReLU(), nn.Linear(32, 1))
optimizer = torch.optim.Adam(regressor.parameters(), lr=3e-3)
criterion = nn.MSELoss()

for epoch in range(8):
    losses = []
    for x, y in loader:
        optimizer.zero_grad()
        loss = criterion(regressor(x), y)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    print(f"epoch {epoch}: mse {sum(losses) / len(losses):.4f}  (variance of the targets {targets.var():.4f})")
