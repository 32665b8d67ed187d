"""Resumes from a file by copying each tensor into place, in half precision, without load_state_dict."""

import io

import torch
from torch import nn

torch.manual_seed(4)


def network():
    return nn.Sequential(nn.Conv1d(3, 8, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(64, 3))


saved = io.BytesIO()
torch.save({name: tensor.half() for name, tensor in network().state_dict().items()}, saved)
saved.seek(0)
stored = torch.load(saved)
model = network()
with torch.no_grad():
    for name, parameter in model.named_parameters():
        parameter.copy_(stored[name])
optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
x = torch.randn(400, 3, 8)
y = x.mean((1, 2)).sign().long() + 1
for epoch in range(4):
    for rows in torch.randperm(400).split(40):
        loss = nn.functional.cross_entropy(model(x[rows]), y[rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    print(f"epoch {epoch} loss {loss.item():.3f}")
