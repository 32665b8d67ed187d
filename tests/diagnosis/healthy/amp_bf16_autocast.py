"""bfloat16 autocast without a GradScaler, as is right on a CPU and on recent GPUs."""

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(3)
x = torch.randn(1024, 32)
y = (x[:, :4].sum(1) + 0.3 * torch.randn(1024) > 0).float().unsqueeze(1)
loader = DataLoader(TensorDataset(x, y), batch_size=64, shuffle=True)
model = nn.Sequential(nn.Linear(32, 64), nn.ReLU(), nn.LayerNorm(64), nn.Linear(64, 1))
optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3)
criterion = nn.BCEWithLogitsLoss()
for epoch in range(6):
    for inputs, target in loader:
        with torch.autocast("cpu", dtype=torch.bfloat16):
            logits = model(inputs)
            loss = criterion(logits, target)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    print(epoch, loss.item())
