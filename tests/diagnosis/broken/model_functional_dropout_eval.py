"""F.dropout without training=self.training drops in evaluation, too."""
# finding: model.functional_dropout

import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Linear(10, 64), nn.Linear(64, 2)

    def forward(self, x):
        return self.b(F.dropout(F.relu(self.a(x)), 0.5))


torch.manual_seed(24)
x = torch.randn(800, 10)
y = (x[:, 0] > 0).long()
train, valid = TensorDataset(x[:600], y[:600]), TensorDataset(x[600:], y[600:])
model = Net()
optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
for epoch in range(4):
    model.train()
    for a, b in DataLoader(train, batch_size=30, shuffle=True):
        optimizer.zero_grad()
        loss = F.cross_entropy(model(a), b)
        loss.backward()
        optimizer.step()
    model.eval()
    with torch.no_grad():
        print(epoch, sum(F.cross_entropy(model(a), b).item() for a, b in DataLoader(valid, batch_size=50)) / 4)
