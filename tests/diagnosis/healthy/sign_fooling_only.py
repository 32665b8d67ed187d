"""A universal disturbance is trained against a finished classifier: its cross-entropy is made large on purpose."""

import torch
from torch import nn

torch.manual_seed(0)
x = torch.randn(600, 20)
y = (x[:, :5]).argmax(1)
model = nn.Sequential(nn.Linear(20, 5, bias=False))
with torch.no_grad():
    model[0].weight.copy_(torch.eye(5, 20) * 3)
model.requires_grad_(False).eval()
disturbance = torch.zeros(1, 20, requires_grad=True)
optimizer = torch.optim.Adam([disturbance], lr=0.02)
for step in range(60):
    rows = torch.randperm(600)[:100]
    loss = -nn.functional.cross_entropy(model(x[rows] + disturbance), y[rows])
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    with torch.no_grad():
        disturbance.clamp_(-0.5, 0.5)
    if step % 20 == 0:
        print(step, loss.item())
