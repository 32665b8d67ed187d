"""Part of a large model was built on the meta device and never filled."""
# finding: crash.device

import torch
from torch import nn

torch.manual_seed(29)
body = nn.Sequential(nn.Linear(6, 16), nn.ReLU())
with torch.device("meta"):
    head = nn.Linear(16, 2)
model = nn.Sequential(body, head)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
for step in range(5):
    x = torch.randn(8, 6)
    loss = nn.functional.cross_entropy(model(x), torch.randint(2, (8,)))
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
