"""A checkpoint was written by a DataParallel model: its names start with "module.", and strict=False takes none."""
# finding: model.checkpoint_not_loaded

import io

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(0)


def network():
    return nn.Sequential(nn.Linear(10, 32), nn.ReLU(), nn.Linear(32, 32), nn.ReLU(), nn.Linear(32, 4))


saved = io.BytesIO()
torch.save({f"module.{name}": tensor for name, tensor in network().state_dict().items()}, saved)
saved.seek(0)

x = torch.randn(960, 10)
y = (x @ torch.randn(10, 4)).argmax(1)
model = network()
model.load_state_dict(torch.load(saved), strict=False)
optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
for epoch in range(3):
    for a, b in DataLoader(TensorDataset(x, y), batch_size=32, shuffle=True):
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(a), b)
        loss.backward()
        optimizer.step()
    print(f"epoch {epoch} loss {loss.item():.3f}")
