"""Every batch's features are kept in a list that nobody reads."""
# finding: memory.creep
# live

import time

import torch
from torch import nn

torch.manual_seed(0)
model = nn.Sequential(nn.Linear(256, 256), nn.ReLU(), nn.Linear(256, 1))
optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
debug = []
end = time.monotonic() + 8
while time.monotonic() < end:
    x = torch.randn(512, 256)
    y = x[:, :1]
    hidden = model[1](model[0](x))
    loss = ((model[2](hidden) - y) ** 2).mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    debug.append((x, hidden.detach().clone()))
    time.sleep(0.02)
print(len(debug))
