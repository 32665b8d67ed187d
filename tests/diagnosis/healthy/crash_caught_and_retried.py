"""Optional packages and failing attempts that the script deals with by itself."""

import torch
from torch import nn

try:
    import cv2_not_here as cv2
except ImportError:
    cv2 = None

torch.manual_seed(0)
model = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 1))
optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
batch = 1 << 40
while True:  # the largest batch that fits
    try:
        torch.empty(batch, 8)
        break
    except RuntimeError:
        batch //= 1 << 16
x = torch.randn(min(batch, 256), 8)
for step in range(30):
    try:
        out = model(x if step % 10 else x[:, :7])
    except RuntimeError:
        continue
    loss = nn.functional.mse_loss(out, x.sum(1, keepdim=True))
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
