"""The hidden layers are kept in a Python list: parameters() does not know them."""
# finding: loop.params_not_in_optimizer|model.modules_in_list

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


class Net(nn.Module):
    def __init__(self, depth=3):
        super().__init__()
        self.first = nn.Linear(8, 32)
        self.hidden = [nn.Linear(32, 32) for _ in range(depth)]
        self.last = nn.Linear(32, 1)

    def forward(self, x):
        x = torch.relu(self.first(x))
        for layer in self.hidden:
            x = torch.relu(layer(x))
        return self.last(x)


torch.manual_seed(18)
x = torch.randn(640, 8)
y = x[:, :1] * x[:, 1:2]
model = Net()
optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
for epoch in range(4):
    for a, b in DataLoader(TensorDataset(x, y), batch_size=32, shuffle=True):
        optimizer.zero_grad()
        loss = nn.functional.mse_loss(model(a), b)
        loss.backward()
        optimizer.step()
    print(epoch, loss.item())
