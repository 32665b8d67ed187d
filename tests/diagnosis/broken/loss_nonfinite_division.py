"""Each row is normalised by its own standard deviation; one row in two hundred is constant."""
# finding: loss.nonfinite|data.nan
# also: grads.nonfinite
# live

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


class Standardised(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(nn.Linear(10, 32), nn.ReLU(), nn.Linear(32, 1))

    def forward(self, x):
        x = (x - x.mean(1, keepdim=True)) / x.std(1, keepdim=True)
        return self.net(x)


torch.manual_seed(10)
x = torch.randn(1200, 10)
x[::200] = 1.5
y = x[:, :1] - x[:, 1:2]
model = Standardised()
optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
for epoch in range(2):
    for a, b in DataLoader(TensorDataset(x, y), batch_size=8, shuffle=True):
        optimizer.zero_grad()
        loss = nn.functional.mse_loss(model(a), b)
        loss.backward()
        optimizer.step()
    print(epoch, loss.item())
