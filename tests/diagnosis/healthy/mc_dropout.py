"""Monte-Carlo dropout: at evaluation the dropout modules are switched on again, twenty passes per batch."""

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(23)
x = torch.rand(900, 1) * 6 - 3
y = torch.sin(2 * x) + 0.1 * torch.randn(900, 1)
train = DataLoader(TensorDataset(x[:700], y[:700]), batch_size=35, shuffle=True)
test = DataLoader(TensorDataset(x[700:], y[700:]), batch_size=100)
model = nn.Sequential(
    nn.Linear(1, 64), nn.ReLU(), nn.Dropout(0.1), nn.Linear(64, 64), nn.ReLU(), nn.Dropout(0.1), nn.Linear(64, 1)
)
optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)


def uncertainty():
    model.eval()
    for module in model.modules():
        if isinstance(module, nn.Dropout):
            module.train()
    spread, error = [], []
    with torch.no_grad():
        for a, b in test:
            passes = torch.stack([model(a) for _ in range(20)])
            spread.append(passes.std(0).mean())
            error.append((passes.mean(0) - b).square().mean())
    return torch.stack(spread).mean().item(), torch.stack(error).mean().item()


for epoch in range(6):
    model.train()
    for a, b in train:
        optimizer.zero_grad()
        loss = nn.functional.mse_loss(model(a), b)
        loss.backward()
        optimizer.step()
    print(epoch, loss.item(), *uncertainty())
