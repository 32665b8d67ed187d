"""The table's last column is the outcome, and the inputs are all columns."""
# finding: data.target_in_input
# live

import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset


class Table(Dataset):
    def __init__(self, n=1200):
        self.rows = torch.randn(n, 9)
        self.rows[:, 8] = (self.rows[:, :4].sum(1) + torch.randn(n) > 0).float()

    def __len__(self):
        return len(self.rows)

    def __getitem__(self, i):
        return self.rows[i], self.rows[i, 8].long()


torch.manual_seed(8)
model = nn.Sequential(nn.Linear(9, 32), nn.ReLU(), nn.Linear(32, 2))
optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
for epoch in range(3):
    for a, b in DataLoader(Table(), batch_size=32, shuffle=True):
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(a), b)
        loss.backward()
        optimizer.step()
    print(epoch, loss.item())
