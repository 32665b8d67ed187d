"""The distance of a pair to itself: the loss is finite, the gradient of sqrt at 0 is not."""
# finding: grads.nonfinite
# also: loss.nonfinite

import torch
from torch import nn

torch.manual_seed(11)
points = torch.randn(200, 6)
net = nn.Sequential(nn.Linear(6, 16), nn.Tanh(), nn.Linear(16, 2))
optimizer = torch.optim.SGD(net.parameters(), lr=0.01)
for step in range(60):
    a = torch.randint(200, (32,))
    b = torch.randint(200, (32,))
    if step == 4:
        b[0] = a[0]
    optimizer.zero_grad()
    near = (net(points[a]) - net(points[b])).square().sum(1).sqrt()
    far = (points[a] - points[b]).norm(dim=1)
    loss = (near - far).square().mean()
    loss.backward()
    optimizer.step()
    print(step, loss.item())
