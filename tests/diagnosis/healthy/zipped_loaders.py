"""Two loaders of different length zipped, one cycled: domain adaptation with a gradient reversal."""

from itertools import cycle

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


class Reverse(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x.view_as(x)

    @staticmethod
    def backward(ctx, grad):
        return -0.2 * grad


torch.manual_seed(38)
y = torch.randint(3, (900,))
clean = 1.8 * torch.randn(3, 12)[y] + torch.randn(900, 12)
source = DataLoader(TensorDataset(clean, y), batch_size=36, shuffle=True)
target = DataLoader(TensorDataset(clean[torch.randperm(900)[:300]] + 0.7), batch_size=36, shuffle=True)
features = nn.Sequential(nn.Linear(12, 48), nn.ReLU())
classifier, domain = nn.Linear(48, 3), nn.Sequential(nn.Linear(48, 16), nn.ReLU(), nn.Linear(16, 1))
parts = nn.ModuleList([features, classifier, domain])
optimizer = torch.optim.Adam(parts.parameters(), lr=1e-3)
bce = nn.BCEWithLogitsLoss()
for epoch in range(5):
    for (a, label), (b,) in zip(source, cycle(target)):
        fa, fb = features(a), features(b)
        guess = domain(Reverse.apply(torch.cat([fa, fb]))).squeeze(1)
        truth = torch.cat([torch.zeros(len(a)), torch.ones(len(b))])
        loss = nn.functional.cross_entropy(classifier(fa), label) + bce(guess, truth)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    print(epoch, loss.item())
