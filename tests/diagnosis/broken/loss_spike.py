"""One batch of corrupt records in the middle of the training: the loss shoots up and comes back."""
# finding: loss.spike
# live

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(0)
x = torch.randn(6400, 10)
y = x @ torch.randn(10, 1) + 0.3 * torch.randn(6400, 1)
y[3200:3232] += 60.0
model = nn.Linear(10, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
for step, (xb, yb) in enumerate(DataLoader(TensorDataset(x, y), batch_size=32)):
    optimizer.zero_grad()
    loss = nn.functional.mse_loss(model(xb), yb)
    loss.backward()
    optimizer.step()
    if step % 20 == 0:
        print(f"step {step} loss {loss.item():.3f}")
