"""The rate of the encoder group comes from integer arithmetic and is 0."""
# finding: loop.params_frozen_unintended
# live

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(8)
x = torch.randn(480, 12)
y = (x @ torch.randn(12, 4)).argmax(1)
loader = DataLoader(TensorDataset(x, y), batch_size=16, shuffle=True)
encoder, head = nn.Linear(12, 32), nn.Linear(32, 4)
base, layers = 1e-2, 2
groups = [{"params": encoder.parameters(), "lr": base * (1 // layers)}, {"params": head.parameters(), "lr": base}]
optimizer = torch.optim.Adam(groups)
for epoch in range(2):
    for inputs, labels in loader:
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(head(torch.relu(encoder(inputs))), labels)
        loss.backward()
        optimizer.step()
    print(epoch, loss.item())
