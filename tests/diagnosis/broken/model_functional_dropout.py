"""F.dropout without training=self.training: evaluation runs with half of the units missing."""
# finding: model.functional_dropout

import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(0)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.hidden, self.head = nn.Linear(16, 64), nn.Linear(64, 3)

    def forward(self, x):
        x = F.dropout(torch.relu(self.hidden(x)), 0.5)
        return self.head(x)


x = torch.randn(1200, 16)
y = (x @ torch.randn(16, 3)).argmax(1)
train, test = TensorDataset(x[:900], y[:900]), TensorDataset(x[900:], y[900:])
model = Net()
optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
for epoch in range(2):
    model.train()
    for xb, yb in DataLoader(train, batch_size=50, shuffle=True):
        optimizer.zero_grad()
        F.cross_entropy(model(xb), yb).backward()
        optimizer.step()
    model.eval()
    right = 0
    with torch.no_grad():
        for xb, yb in DataLoader(test, batch_size=100):
            right += (model(xb).argmax(1) == yb).sum().item()
    print(f"epoch {epoch} accuracy {right / 300:.3f}")
