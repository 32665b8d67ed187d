"""Skip-gram with sparse gradients and SparseAdam, negative samples, two optimizers side by side."""

import torch
import torch.nn.functional as F
from torch import nn

torch.manual_seed(20)
VOCABULARY, WIDTH = 300, 12
inside = nn.Embedding(VOCABULARY, WIDTH, sparse=True)
outside = nn.Embedding(VOCABULARY, WIDTH, sparse=True)
bias = nn.Parameter(torch.zeros(1))
nn.init.uniform_(inside.weight, -0.1, 0.1)
nn.init.zeros_(outside.weight)
sparse = torch.optim.SparseAdam([*inside.parameters(), *outside.parameters()], lr=0.02)
dense = torch.optim.SGD([bias], lr=0.01)
for step in range(200):
    centre = torch.randint(VOCABULARY, (64,))
    context = (centre // 10) * 10 + torch.randint(10, (64,))
    negative = torch.randint(VOCABULARY, (64, 5))
    v = inside(centre)
    positive_score = (v * outside(context)).sum(1) + bias
    negative_score = (outside(negative) @ v.unsqueeze(2)).squeeze(2) + bias
    loss = -(F.logsigmoid(positive_score) + F.logsigmoid(-negative_score).sum(1)).mean()
    sparse.zero_grad()
    dense.zero_grad()
    loss.backward()
    sparse.step()
    dense.step()
    if step % 40 == 0:
        print(step, loss.item())
