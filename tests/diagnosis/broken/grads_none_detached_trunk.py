"""Features are detached before the head: most of the model never gets a gradient."""
# finding: grads.none|graph.detached|loop.params_unused

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.trunk = nn.Sequential(nn.Linear(12, 64), nn.ReLU(), nn.Linear(64, 32), nn.ReLU())
        self.head = nn.Linear(32, 3)

    def forward(self, x):
        features = self.trunk(x)
        self.kept = features = features.detach()
        return self.head(features)


torch.manual_seed(22)
x = torch.randn(640, 12)
y = x[:, :3].argmax(1)
net = Net()
optimizer = torch.optim.Adam(net.parameters(), lr=1e-3)
for epoch in range(4):
    for a, b in DataLoader(TensorDataset(x, y), batch_size=32, shuffle=True):
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(net(a), b)
        loss.backward()
        optimizer.step()
    print(epoch, loss.item())
