"""A loss that does not depend on the prediction: the target is compared with itself (plus an idle penalty)."""
# finding: loss.constant|grads.zero|grads.none
# live

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(0)
x, y = torch.randn(2000, 12), torch.full((2000,), 2)
model = nn.Sequential(nn.Linear(12, 32), nn.ReLU(), nn.Linear(32, 4))
optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
for epoch in range(4):
    for xb, yb in DataLoader(TensorDataset(x, y), batch_size=40, shuffle=True):
        optimizer.zero_grad()
        scores = model(xb)
        wrong = (scores.argmax(1) != yb).float()
        loss = 0.5 + (scores * 0.0).sum() + 0 * wrong.mean()
        loss.backward()
        optimizer.step()
    print(f"epoch {epoch} loss {loss.item():.3f}")
