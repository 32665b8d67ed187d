"""zero_grad stands in front of each backward, step behind every fourth."""
# finding: loop.accumulation_cleared

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(18)
x = torch.randn(480, 12)
y = (x @ torch.randn(12, 4)).argmax(1)
loader = DataLoader(TensorDataset(x, y), batch_size=16, shuffle=True)
model = nn.Sequential(nn.Linear(12, 32), nn.ReLU(), nn.Linear(32, 4))

optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
for epoch in range(3):
    for i, (inputs, labels) in enumerate(loader):
        model.zero_grad(set_to_none=True)
        loss = nn.functional.cross_entropy(model(inputs), labels) / 4
        loss.backward()
        if i % 4 == 3:
            optimizer.step()
    print(epoch, loss.item())
