"""Weights saved from DataParallel are loaded into the plain model."""
# finding: crash.checkpoint

import tempfile
from pathlib import Path

import torch
from torch import nn

torch.manual_seed(0)


def make_model():
    return nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 3))


model = make_model()
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
x, y = torch.randn(64, 8), torch.randint(0, 3, (64,))
for _ in range(5):
    optimizer.zero_grad()
    nn.functional.cross_entropy(model(x), y).backward()
    optimizer.step()

path = Path(tempfile.mkdtemp()) / "model.pt"
torch.save(nn.DataParallel(model).state_dict(), path)

restored = make_model()
restored.load_state_dict(torch.load(path))
print(restored(x[:2]))
