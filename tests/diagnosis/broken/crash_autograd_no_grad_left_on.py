"""torch.set_grad_enabled(False) in the evaluation is never undone: the second epoch's loss has no graph."""
# finding: crash.autograd|graph.detached
# live

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(32)
x = torch.randn(320, 5)
data = TensorDataset(x, (x[:, 0] > 0).long())
model = nn.Sequential(nn.Linear(5, 16), nn.ReLU(), nn.Linear(16, 2))
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)


def evaluate():
    torch.set_grad_enabled(False)
    return sum((model(a).argmax(1) == b).sum().item() for a, b in DataLoader(data, batch_size=80)) / len(data)


for epoch in range(3):
    for a, b in DataLoader(data, batch_size=20, shuffle=True):
        loss = nn.functional.cross_entropy(model(a), b)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    print(epoch, evaluate())
