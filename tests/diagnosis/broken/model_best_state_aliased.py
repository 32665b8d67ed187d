"""The best epoch's weights are kept with state_dict(), which is no copy, and loaded again at the end."""
# finding: model.best_state_aliased
# live

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(0)
x = torch.randn(1200, 8)
y = (x[:, 0] * x[:, 1] > 0).long()
train = DataLoader(TensorDataset(x[:900], y[:900]), batch_size=30, shuffle=True)
held_out = DataLoader(TensorDataset(x[900:], y[900:]), batch_size=100)
model = nn.Sequential(nn.Linear(8, 64), nn.ReLU(), nn.Linear(64, 2))
optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
best, best_accuracy = None, 0.0
for epoch in range(5):
    model.train()
    for a, b in train:
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(a), b)
        loss.backward()
        optimizer.step()
    model.eval()
    with torch.no_grad():
        accuracy = sum((model(a).argmax(1) == b).sum().item() for a, b in held_out) / 300
    if best is None or (accuracy > best_accuracy and epoch < 4):
        best, best_accuracy = model.state_dict(), accuracy
    print(f"epoch {epoch} accuracy {accuracy:.3f}")
model.load_state_dict(best)
