"""Residual blocks in a plain Python list: the optimizer never hears of them."""
# finding: model.modules_in_list
# also: loop.params_not_in_optimizer|grads.none

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(0)


class Stack(nn.Module):
    def __init__(self):
        super().__init__()
        self.inlet = nn.Linear(12, 32)
        self.blocks = [nn.Linear(32, 32) for _ in range(4)]
        self.head = nn.Linear(32, 3)

    def forward(self, x):
        x = torch.relu(self.inlet(x))
        for block in self.blocks:
            x = x + torch.relu(block(x))
        return self.head(x)


x = torch.randn(1000, 12)
y = (x @ torch.randn(12, 3)).argmax(1)
model = Stack()
optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
for epoch in range(2):
    for xb, yb in DataLoader(TensorDataset(x, y), batch_size=50, shuffle=True):
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(xb), yb)
        loss.backward()
        optimizer.step()
    print(f"epoch {epoch} loss {loss.item():.3f}")
