"""Metric learning: an ArcFace head with fixed class anchors in a buffer, plus a centre loss with its own optimizer."""

import math

import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(22)
CLASSES, WIDTH = 5, 8
y = torch.randint(CLASSES, (1000,))
x = 1.3 * torch.randn(CLASSES, 20)[y] + torch.randn(1000, 20)


class Angular(nn.Module):
    def __init__(self, scale=8.0, margin=0.2):
        super().__init__()
        self.register_buffer("anchors", F.normalize(torch.randn(CLASSES, WIDTH), dim=1))
        self.scale, self.margin = scale, margin

    def forward(self, z, labels):
        cosine = (F.normalize(z, dim=1) @ self.anchors.t()).clamp(-0.999, 0.999)
        angle = torch.acos(cosine) + self.margin * F.one_hot(labels, CLASSES)
        return F.cross_entropy(self.scale * torch.cos(angle.clamp(max=math.pi)), labels)


net = nn.Sequential(nn.Linear(20, 64), nn.PReLU(), nn.Linear(64, WIDTH))
angular = Angular()
centres = nn.Parameter(torch.zeros(CLASSES, WIDTH))
net_optimizer = torch.optim.Adam(net.parameters(), lr=2e-3)
centre_optimizer = torch.optim.SGD([centres], lr=0.5)
for epoch in range(6):
    for a, b in DataLoader(TensorDataset(x, y), batch_size=50, shuffle=True):
        z = net(a)
        loss = angular(z, b) + 0.01 * (z - centres[b]).square().sum(1).mean()
        net_optimizer.zero_grad()
        centre_optimizer.zero_grad()
        loss.backward()
        net_optimizer.step()
        centre_optimizer.step()
    print(epoch, loss.item())
