"""A learning rate of 1e-9, a typing error in a configuration; the model is new."""
# finding: loop.lr_extreme
# live

import json

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

config = json.loads('{"lr": 1e-9, "epochs": 6, "batch_size": 32}')
torch.manual_seed(16)
x = torch.randn(960, 10)
y = (x @ torch.randn(10, 3)).argmax(1)
model = nn.Sequential(nn.Linear(10, 48), nn.ReLU(), nn.Linear(48, 3))
optimizer = torch.optim.AdamW(model.parameters(), lr=config["lr"])
for epoch in range(config["epochs"]):
    for a, b in DataLoader(TensorDataset(x, y), batch_size=config["batch_size"], shuffle=True):
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(a), b)
        loss.backward()
        optimizer.step()
    print(epoch, loss.item())
