"""Weights come and go: a backbone by strict=False, a teacher, an average swapped in and out, a best copy, a snapshot
dictionary that is saved each epoch, weights set by hand, a target network that follows."""

import copy
import io

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(0)


class Net(nn.Module):
    def __init__(self, head=5):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(12, 48), nn.ReLU(), nn.Linear(48, 48), nn.ReLU())
        self.head = nn.Linear(48, head)

    def forward(self, x):
        return self.head(self.body(x))


saved = io.BytesIO()
torch.save({"model": Net(9).state_dict(), "images": torch.randn(50, 12), "labels": torch.randn(50)}, saved)
saved.seek(0)
checkpoint = torch.load(saved)
wanted = {name: tensor for name, tensor in checkpoint["model"].items() if not name.startswith("head")}
model, teacher, average = Net(), Net(9), Net()
model.load_state_dict(wanted, strict=False)
teacher.load_state_dict(checkpoint["model"])
average.load_state_dict(model.state_dict())
adapter = {"head.bias": torch.zeros(5)}
model.load_state_dict(adapter, strict=False)

x = torch.randn(900, 12)
y = (x @ torch.randn(12, 5)).argmax(1)
train = DataLoader(TensorDataset(x, y), batch_size=45, shuffle=True)
optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
state = {"model": model.state_dict(), "epoch": 0}  # always the latest weights: saved again and again
best, lowest = None, float("inf")
for epoch in range(3):
    for a, b in train:
        with torch.no_grad():
            hints = teacher(a).softmax(1).amax(1)
        loss = (nn.functional.cross_entropy(model(a), b, reduction="none") * (0.5 + hints)).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        with torch.no_grad():
            for kept, fresh in zip(average.state_dict().values(), model.state_dict().values()):
                kept.lerp_(fresh, 0.1)
    torch.save(state, io.BytesIO())
    backup = copy.deepcopy(model.state_dict())
    model.load_state_dict(average.state_dict())
    with torch.no_grad():
        error = nn.functional.cross_entropy(model(x), y).item()
    model.load_state_dict(backup)
    model.load_state_dict(model.state_dict())
    if error < lowest:
        lowest, best = error, {name: tensor.clone() for name, tensor in model.state_dict().items()}
    print(f"epoch {epoch} loss {loss.item():.3f} average {error:.3f}")
model.load_state_dict(best)
