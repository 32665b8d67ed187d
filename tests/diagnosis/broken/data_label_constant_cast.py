"""Labels are probabilities cast to whole numbers: all of them are zero."""
# finding: data.label_constant|data.target_truncated
# live

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(4)
x = torch.randn(800, 6)
probability = torch.sigmoid(x[:, 0] + x[:, 1])
data = TensorDataset(x, (probability * 0.999).long())
model = nn.Sequential(nn.Linear(6, 24), nn.ReLU(), nn.Linear(24, 2))
optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
for epoch in range(2):
    for a, b in DataLoader(data, batch_size=20, shuffle=True):
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(a), b)
        loss.backward()
        optimizer.step()
    print(epoch, loss.item())
