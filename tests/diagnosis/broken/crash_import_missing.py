"""A package that is not installed, imported deep in a function after the first epoch's work."""
# finding: crash.import

import torch
from torch import nn

torch.manual_seed(34)
model = nn.Linear(4, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
for step in range(5):
    x = torch.randn(8, 4)
    loss = nn.functional.mse_loss(model(x), x[:, :1])
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()


def report():
    from sklearn.metrics import r2_score

    return r2_score([0.0], [0.0])


print(report())
