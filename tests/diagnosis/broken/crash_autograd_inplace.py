"""An activation that backward needs is changed in place."""
# finding: crash.autograd

import torch
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Linear(5, 16), nn.Linear(16, 1)

    def forward(self, x):
        h = torch.sigmoid(self.a(x))
        y = self.b(h)
        h *= 2
        return y + h.mean(1, keepdim=True)


torch.manual_seed(31)
model = Net()
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
for step in range(10):
    x = torch.randn(16, 5)
    loss = nn.functional.mse_loss(model(x), x[:, :1])
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
