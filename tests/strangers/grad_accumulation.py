"""Gradient accumulation with dropout, a scheduler and a leftover micro-batch at the end of each epoch."""
import hashlib
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

ACCUM = 4
torch.manual_seed(12)
ds = TensorDataset(torch.randn(200, 12), torch.randint(0, 4, (200,)))
dl = DataLoader(ds, batch_size=8, shuffle=True)  # 25 batches, not a multiple of 4
net = nn.Sequential(nn.Linear(12, 32), nn.GELU(), nn.Dropout(0.3), nn.Linear(32, 4))
optimizer = torch.optim.AdamW(net.parameters(), lr=2e-3)
scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=14)
crit = nn.CrossEntropyLoss(label_smoothing=0.1)

for epoch in range(2):
    optimizer.zero_grad()
    for i, (xb, yb) in enumerate(dl):
        loss = crit(net(xb), yb) / ACCUM
        loss.backward()
        print(f"{epoch}/{i} micro loss {loss.item() * ACCUM!r}")
        if (i + 1) % ACCUM == 0 or i + 1 == len(dl):
            nn.utils.clip_grad_norm_(net.parameters(), 1.0)
            optimizer.step()
            scheduler.step()
            optimizer.zero_grad()
print("weights", hashlib.sha1(b"".join(p.data.numpy().tobytes() for p in net.parameters())).hexdigest())
