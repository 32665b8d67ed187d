"""Raw sensor values in the hundreds go into a tanh network: its hidden units are at ±1 for good."""
# finding: model.saturated
# also: data.range

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(0)


class Controller(nn.Module):
    def __init__(self):
        super().__init__()
        self.hidden = nn.Linear(10, 40)
        self.deeper = nn.Linear(40, 40)
        self.out = nn.Linear(40, 1)
        nn.init.normal_(self.hidden.weight, std=3.0)

    def forward(self, x):
        return self.out(torch.tanh(self.deeper(torch.tanh(self.hidden(x)))))


x = 80.0 * torch.randn(1600, 10)
y = (x[:, :1] - x[:, 1:2]).sign() * 0.5 + 0.1 * torch.randn(1600, 1)
model = Controller()
optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
for epoch in range(2):
    for xb, yb in DataLoader(TensorDataset(x, y), batch_size=32, shuffle=True):
        optimizer.zero_grad()
        loss = nn.functional.mse_loss(model(xb), yb)
        loss.backward()
        optimizer.step()
    print(f"epoch {epoch} loss {loss.item():.3f}")
