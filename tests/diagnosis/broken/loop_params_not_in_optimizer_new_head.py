"""The optimizer was made before the head was replaced: the new head never moves."""
# finding: loop.params_not_in_optimizer|loop.head_frozen

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(16, 48), nn.ReLU())
        self.fc = nn.Linear(48, 100)

    def forward(self, x):
        return self.fc(self.body(x))


torch.manual_seed(17)
x = torch.randn(640, 16)
y = x[:, :4].argmax(1)
model = Net()
optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
model.fc = nn.Linear(48, 4)
for epoch in range(4):
    for a, b in DataLoader(TensorDataset(x, y), batch_size=32, shuffle=True):
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(a), b)
        loss.backward()
        optimizer.step()
    print(epoch, loss.item())
