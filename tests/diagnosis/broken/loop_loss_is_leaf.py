"""The losses of the batch are put into a new tensor that requires a gradient, to be averaged."""
# finding: loop.loss_is_leaf

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(4)
x = torch.randn(480, 12)
y = (x @ torch.randn(12, 4)).argmax(1)
loader = DataLoader(TensorDataset(x, y), batch_size=16, shuffle=True)
model = nn.Sequential(nn.Linear(12, 32), nn.ReLU(), nn.Linear(32, 4))

optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
for inputs, labels in loader:
    rows = [nn.functional.cross_entropy(model(a[None]), b[None]) for a, b in zip(inputs, labels, strict=True)]
    loss = torch.tensor(rows, requires_grad=True).mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
print(loss.item())
