"""An optimizer taken over from a reinforcement-learning project: it maximises, and the loss is an error."""
# finding: loss.sign
# also: loop.lr_extreme|grads.exploding|loss.nonfinite|grads.nonfinite

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(1)
x = torch.randn(640, 6)
y = x @ torch.randn(6, 1)
model = nn.Sequential(nn.Linear(6, 24), nn.Tanh(), nn.Linear(24, 1))
optimizer = torch.optim.Adam(model.parameters(), lr=1e-3, maximize=True)
for epoch in range(3):
    for a, b in DataLoader(TensorDataset(x, y), batch_size=32, shuffle=True):
        optimizer.zero_grad()
        loss = nn.functional.mse_loss(model(a), b)
        loss.backward()
        optimizer.step()
    print(epoch, loss.item())
