"""A sine wave to be fitted. The loss stays where it started, to the last digit.

Why: `zero_grad()` stands between `backward()` and `step()`, so that the optimizer sees no gradient at all.
Cure: clear before `backward()`, or after `step()`.
"""
# finding: loop.zero_grad_after_backward

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(0)
x = torch.linspace(-3, 3, 640).unsqueeze(1)
y = torch.sin(2 * x) + 0.05 * torch.randn_like(x)
train_loader = DataLoader(TensorDataset(x, y), batch_size=32, shuffle=True)


class SineNet(nn.Module):
    def __init__(self, hidden=48):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(1, hidden), nn.ReLU(), nn.Linear(hidden, hidden), nn.ReLU())
        self.out = nn.Linear(hidden, 1)

    def forward(self, x):
        return self.out(self.layers(x))


net = SineNet()
loss_fn = nn.MSELoss()
optim = torch.optim.Adam(net.parameters(), lr=1e-2)

for epoch in range(5):
    total = 0.0
    for xb, yb in train_loader:
        loss = loss_fn(net(xb), yb)
        loss.backward()
        optim.zero_grad()
        optim.step()
        total += loss.item()
    print("epoch", epoch, "mean loss", total / len(train_loader))
