"""The log of a learned rate that can become negative: NaN after some steps."""
# finding: loss.nonfinite
# live

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(0)


class Rate(nn.Module):
    def __init__(self):
        super().__init__()
        self.trunk = nn.Sequential(nn.Linear(8, 32), nn.ReLU())
        self.rate = nn.Linear(32, 1)

    def forward(self, x):
        return torch.log(self.rate(self.trunk(x)) + 3.0)


x = torch.randn(1600, 8)
counts = torch.poisson(torch.exp(0.3 * x[:, :1] - 1.5))
model = Rate()
optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
for epoch in range(5):
    for xb, yb in DataLoader(TensorDataset(x, counts), batch_size=40, shuffle=True):
        optimizer.zero_grad()
        loss = nn.functional.poisson_nll_loss(model(xb), yb)
        loss.backward()
        optimizer.step()
    print(f"epoch {epoch} loss {loss.item():.3f}")
