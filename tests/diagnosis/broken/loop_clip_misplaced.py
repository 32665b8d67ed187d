"""Gradients are clipped after the step that used them."""
# finding: loop.clip_misplaced

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(9)
x = torch.randn(480, 12)
y = (x @ torch.randn(12, 4)).argmax(1)
loader = DataLoader(TensorDataset(x, y), batch_size=16, shuffle=True)
model = nn.GRU(12, 24, batch_first=True)
head = nn.Linear(24, 4)
weights = [*model.parameters(), *head.parameters()]
optimizer = torch.optim.SGD(weights, lr=0.1, momentum=0.9)
for epoch in range(2):
    for inputs, labels in loader:
        optimizer.zero_grad()
        states, _ = model(inputs[:, None].expand(-1, 5, -1))
        nn.functional.cross_entropy(head(states[:, -1]), labels).backward()
        optimizer.step()
        nn.utils.clip_grad_value_(weights, 0.1)
    print(epoch)
