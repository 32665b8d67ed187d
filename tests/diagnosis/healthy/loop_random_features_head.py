"""Random features: a frozen first layer and a frozen last one (a fixed simplex), the middle trains; unused head left in."""

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(7)
x = torch.randn(640, 12)
y = (x @ torch.randn(12, 4)).argmax(1)
loader = DataLoader(TensorDataset(x[:512], y[:512]), batch_size=32, shuffle=True)
held_out = DataLoader(TensorDataset(x[512:], y[512:]), batch_size=64)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.random = nn.Linear(12, 64).requires_grad_(False)
        self.middle = nn.Linear(64, 32)
        self.fixed = nn.Linear(32, 4, bias=False).requires_grad_(False)
        nn.init.orthogonal_(self.fixed.weight)
        self.auxiliary = nn.Linear(32, 2)

    def forward(self, x):
        return 3 * self.fixed(torch.relu(self.middle(torch.relu(self.random(x)))))


model = Net()
optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
criterion = nn.CrossEntropyLoss()
for epoch in range(5):
    model.train()
    for inputs, labels in loader:
        optimizer.zero_grad()
        loss = criterion(model(inputs), labels)
        loss.backward()
        optimizer.step()
    model.eval()
    with torch.no_grad():
        print(epoch, sum(criterion(model(a), b).item() for a, b in held_out) / len(held_out))
