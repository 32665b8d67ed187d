"""A GradScaler whose first steps are skipped, unscale_ before clipping, and a warm-up from a rate of 0 per batch."""

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(0)
x = torch.randn(640, 12)
y = (x @ torch.randn(12, 4)).argmax(1)
loader = DataLoader(TensorDataset(x, y), batch_size=32, shuffle=True)
model = nn.Sequential(nn.Linear(12, 32), nn.ReLU(), nn.Linear(32, 4))
optimizer = torch.optim.AdamW(model.parameters(), lr=5e-3)
total = 4 * len(loader)
warmup = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda i: min(i / 15, (total - i) / total))
scaler = torch.amp.GradScaler("cpu", init_scale=2.0**126)
for epoch in range(4):
    for inputs, labels in loader:
        optimizer.zero_grad(set_to_none=True)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            loss = nn.functional.cross_entropy(100 * model(inputs) / 100, labels)
        scaler.scale(loss).backward()
        scaler.unscale_(optimizer)
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        scaler.step(optimizer)
        scaler.update()
        warmup.step()
    print(epoch, loss.item(), scaler.get_scale())
