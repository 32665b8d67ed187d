"""Weight-normalised layers and an embedding that takes whole numbers far above 255."""

import torch
from torch import nn
from torch.nn.utils.parametrizations import weight_norm
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(19)
ids = torch.randint(0, 5000, (1200, 6))
value = torch.randn(5000)
target = value[ids].mean(1, keepdim=True) * 2


class Bag(nn.Module):
    def __init__(self):
        super().__init__()
        self.table = nn.Embedding(5000, 16)
        self.body = nn.Sequential(weight_norm(nn.Linear(16, 32)), nn.ELU(), weight_norm(nn.Linear(32, 1)))

    def forward(self, x):
        return self.body(self.table(x).mean(1))


model = Bag()
optimizer = torch.optim.Adagrad(model.parameters(), lr=0.05)
for epoch in range(5):
    for x, y in DataLoader(TensorDataset(ids, target), batch_size=48, shuffle=True):
        loss = nn.functional.l1_loss(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    print(epoch, loss.item())
