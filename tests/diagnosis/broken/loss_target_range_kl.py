"""Distillation with kl_div given softmax probabilities instead of log-probabilities."""
# finding: loss.target_range

import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(0)
teacher = nn.Sequential(nn.Linear(16, 64), nn.Tanh(), nn.Linear(64, 6)).eval()
student = nn.Sequential(nn.Linear(16, 24), nn.ReLU(), nn.Linear(24, 6))
optimizer = torch.optim.Adam(student.parameters(), lr=2e-3)
loader = DataLoader(TensorDataset(torch.randn(640, 16)), batch_size=32, shuffle=True)
for epoch in range(3):
    for (x,) in loader:
        with torch.no_grad():
            target = F.softmax(teacher(x) / 2.0, dim=1)
        optimizer.zero_grad()
        loss = F.kl_div(F.softmax(student(x) / 2.0, dim=1), target, reduction="batchmean") * 4.0
        loss.backward()
        optimizer.step()
    print(f"epoch {epoch} loss {loss.item():.3f}")
