"""Losses in their unusual but right forms: soft targets, kl_div in log space, nll behind log_softmax, transposed CLIP."""

import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(0)


class TwoTowers(nn.Module):
    def __init__(self):
        super().__init__()
        self.left = nn.Sequential(nn.Linear(16, 48), nn.ReLU(), nn.Linear(48, 16))
        self.right = nn.Sequential(nn.Linear(12, 48), nn.ReLU(), nn.Linear(48, 16))
        self.classes, self.tags = nn.Linear(16, 5), nn.Linear(16, 6)

    def forward(self, a, b):
        one, two = F.normalize(self.left(a), dim=1), F.normalize(self.right(b), dim=1)
        return one @ two.t() * 10, self.classes(one), self.tags(two)


shared = torch.randn(1280, 8)
a, b = shared @ torch.randn(8, 16), shared @ torch.randn(8, 12)
label = (shared @ torch.randn(8, 5)).argmax(1)
tags = torch.sigmoid(shared @ torch.randn(8, 6)).clamp(0.05, 0.95)
model = TwoTowers()
optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3)
for epoch in range(3):
    for xa, xb, y, t in DataLoader(TensorDataset(a, b, label, tags), batch_size=64, shuffle=True):
        scores, classes, tag_scores = model(xa, xb)
        pairs = torch.arange(len(xa))
        clip = 0.5 * (F.cross_entropy(scores, pairs) + F.cross_entropy(scores.t(), pairs))
        log_probabilities = F.log_softmax(classes, dim=-1)
        smooth = F.one_hot(y, 5) * 0.9 + 0.02
        loss = clip + F.nll_loss(log_probabilities, y) + F.kl_div(log_probabilities, smooth, reduction="batchmean")
        loss = loss + F.binary_cross_entropy_with_logits(tag_scores, t)
        loss = loss + 0.1 * F.kl_div(log_probabilities, smooth.log(), reduction="batchmean", log_target=True)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    print(f"epoch {epoch} loss {loss.item():.3f}")
