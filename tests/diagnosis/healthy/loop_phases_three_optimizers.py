"""Optimizers of three phases made at the start: first the head, then everything; the third is for a phase left out."""

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(1)
x = torch.randn(640, 12)
y = (x @ torch.randn(12, 4)).argmax(1)
loader = DataLoader(TensorDataset(x, y), batch_size=32, shuffle=True)
body, head = nn.Sequential(nn.Linear(12, 32), nn.ReLU()), nn.Linear(32, 4)
first = torch.optim.Adam(head.parameters(), lr=1e-2)
second = torch.optim.Adam([*body.parameters(), *head.parameters()], lr=2e-3)
polish = torch.optim.LBFGS([*body.parameters(), *head.parameters()])
for optimizer, epochs in ((first, 2), (second, 3), (polish, 0)):
    for parameter in body.parameters():
        parameter.requires_grad_(optimizer is not first)
    schedule = torch.optim.lr_scheduler.StepLR(optimizer, step_size=1, gamma=0.5)
    for epoch in range(epochs):
        for inputs, labels in loader:
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(head(body(inputs)), labels)
            loss.backward()
            optimizer.step()
        schedule.step()
        print(epoch, loss.item())
