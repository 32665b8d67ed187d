"""A plain recurrent network over sixty steps with recurrent weights of spectral radius 2.2, without clipping."""
# finding: grads.exploding|model.init_scale|loss.nonfinite
# also: loop.lr_extreme|loss.diverging|loss.nonfinite|grads.nonfinite|loss.spike|loss.oscillating|loss.not_decreasing|loss.initial_value|model.saturated

import torch
from torch import nn

torch.manual_seed(20)


class Linear_RNN(nn.Module):
    def __init__(self, width=16):
        super().__init__()
        self.inp = nn.Linear(2, width)
        self.rec = nn.Linear(width, width, bias=False)
        self.out = nn.Linear(width, 1)
        with torch.no_grad():
            self.rec.weight.copy_(2.2 * torch.linalg.qr(torch.randn(width, width)).Q)

    def forward(self, x):
        h = x.new_zeros(x.shape[0], 16)
        for t in range(x.shape[1]):
            h = torch.relu(self.inp(x[:, t]) + self.rec(h))
        return self.out(h)


model = Linear_RNN()
optimizer = torch.optim.SGD(model.parameters(), lr=1e-3)
for step in range(40):
    x = torch.randn(16, 60, 2)
    optimizer.zero_grad()
    loss = nn.functional.mse_loss(model(x), x.mean((1, 2))[:, None])
    loss.backward()
    optimizer.step()
    print(step, loss.item())
