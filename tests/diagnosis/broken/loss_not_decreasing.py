"""The model's input is thrown away by a wrong view: nothing can be learned, the loss stays at ln 4."""
# finding: loss.not_decreasing|model.collapse|data.input_ignored
# live

import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(0)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.hidden, self.head = nn.Linear(16, 32), nn.Linear(32, 4)

    def forward(self, x):
        rows = x.t().reshape(x.shape)  # meant: x.t() and back again
        return self.head(torch.relu(self.hidden(rows)))


x = torch.randn(2400, 16)
y = (x @ torch.randn(16, 4)).argmax(1)
model = Net()
optimizer = torch.optim.SGD(model.parameters(), lr=0.02)
for epoch in range(8):
    total = 0.0
    for xb, yb in DataLoader(TensorDataset(x, y), batch_size=48, shuffle=True):
        optimizer.zero_grad()
        loss = F.cross_entropy(model(xb), yb)
        loss.backward()
        optimizer.step()
        total += loss.item()
    print(f"epoch {epoch} loss {total / 50:.3f}")
