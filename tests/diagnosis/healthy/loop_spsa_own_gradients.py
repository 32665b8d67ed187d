"""No backward at all: gradients are estimated from two forwards (SPSA) and put into p.grad for the optimizer."""

import torch
from torch import nn

torch.manual_seed(2)
x = torch.randn(256, 6)
y = x @ torch.randn(6, 1)
model = nn.Linear(6, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.02, momentum=0.5)
weights = list(model.parameters())
for step in range(120):
    optimizer.zero_grad()
    noise = [torch.sign(torch.randn_like(w)) for w in weights]
    values = []
    with torch.no_grad():
        for sign in (1.0, -2.0):
            for w, n in zip(weights, noise, strict=True):
                w.add_(1e-2 * sign * n)
            values.append(nn.functional.mse_loss(model(x), y).item())
        for w, n in zip(weights, noise, strict=True):
            w.add_(1e-2 * n)
            w.grad = n * (values[0] - values[1]) / 2e-2
    optimizer.step()
    if step % 40 == 39:
        print(step, values[1])
