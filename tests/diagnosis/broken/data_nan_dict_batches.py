"""Missing measurements became NaN in the table; batches are dictionaries."""
# finding: data.nan
# also: loss.nonfinite|grads.nonfinite

import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset


class Table(Dataset):
    def __init__(self):
        self.rows = torch.randn(400, 6)
        self.target = self.rows.sum(1, keepdim=True)
        self.rows[torch.rand(400) < 0.02, 3] = float("nan")

    def __len__(self):
        return len(self.rows)

    def __getitem__(self, i):
        return {"features": self.rows[i], "target": self.target[i], "name": f"row {i}"}


torch.manual_seed(12)
loader = DataLoader(Table(), batch_size=40, shuffle=True)
model = nn.Sequential(nn.Linear(6, 16), nn.ReLU(), nn.Linear(16, 1))
optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
for epoch in range(4):
    for batch in loader:
        loss = nn.functional.mse_loss(model(batch["features"]), batch["target"])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    print(epoch, loss.item())
