"""A GradScaler used as the manual says: scale, backward, unscale_, clip, step, update; the first scale is too large."""

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(31)
x = torch.randn(960, 10)
y = x.sin().sum(1, keepdim=True)
loader = DataLoader(TensorDataset(x, y), batch_size=48, shuffle=True)
model = nn.Sequential(nn.Linear(10, 64), nn.Tanh(), nn.Linear(64, 64), nn.Tanh(), nn.Linear(64, 1))
optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
# A scale of 2**127 overflows float32 at once: the scaler skips steps and halves it until it fits.
scaler = torch.amp.GradScaler("cpu", init_scale=2.0**127)
for epoch in range(6):
    for inputs, target in loader:
        optimizer.zero_grad(set_to_none=True)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            prediction = model(inputs)
        loss = nn.functional.mse_loss(prediction.float(), target)
        scaler.scale(loss).backward()
        scaler.unscale_(optimizer)
        nn.utils.clip_grad_norm_(model.parameters(), 5.0)
        scaler.step(optimizer)
        scaler.update()
    print(epoch, f"loss {loss.item():.4f} scale {scaler.get_scale():.3g}")
