"""Losses that are below zero and right: a Gaussian likelihood, a cosine similarity, a negative reward, an entropy that
is to grow, and a disturbance that is trained to fool a finished model."""

import torch
from torch import nn

torch.manual_seed(0)
x = torch.randn(512, 8)
y = x[:, :2].sum(1, keepdim=True) * 0.01
net = nn.Sequential(nn.Linear(8, 32), nn.ReLU(), nn.Linear(32, 2))
optimizer = torch.optim.Adam(net.parameters(), lr=3e-3)
for rows in (torch.randperm(512)[:64] for _ in range(60)):
    mean, spread = net(x[rows]).split(1, 1)
    loss = nn.functional.gaussian_nll_loss(mean * 0.01, y[rows], nn.functional.softplus(spread - 4))
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
print("likelihood", loss.item())

one, two = nn.Linear(8, 16), nn.Linear(8, 16)
optimizer = torch.optim.SGD([*one.parameters(), *two.parameters()], lr=0.1)
for rows in (torch.randperm(512)[:64] for _ in range(60)):
    loss = -nn.functional.cosine_similarity(one(x[rows]), two(x[rows])).mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
print("similarity", loss.item())

policy = nn.Sequential(nn.Linear(8, 16), nn.Tanh(), nn.Linear(16, 4))
optimizer = torch.optim.Adam(policy.parameters(), lr=3e-3, maximize=True)
for rows in (torch.randperm(512)[:64] for _ in range(60)):
    chances = policy(x[rows]).log_softmax(1)
    actions = torch.multinomial(chances.exp().detach(), 1)
    rewards = (actions == (x[rows, :1] > 0)).float()
    gain = (chances.gather(1, actions) * (rewards - rewards.mean())).mean()
    optimizer.zero_grad()
    gain.backward()
    optimizer.step()
print("gain", gain.item())

labels = (y > 0).long().flatten()
noise = torch.zeros(1, 8, requires_grad=True)
fooling = torch.optim.SGD([noise], lr=0.05)
for parameter in net.parameters():
    parameter.requires_grad_(False)
for _ in range(60):
    loss = -nn.functional.cross_entropy(net(x + noise), labels)
    fooling.zero_grad()
    loss.backward()
    fooling.step()
print("fooled", loss.item())
