"""A vocabulary of 100 words and an unknown-word id of 100."""
# finding: crash.index

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(27)
ids = torch.randint(0, 100, (400, 12))
ids[torch.rand(400, 12) < 0.01] = 100
labels = (ids.float().mean(1) > 50).long()
embed, head = nn.EmbeddingBag(100, 16), nn.Linear(16, 2)
optimizer = torch.optim.Adam([*embed.parameters(), *head.parameters()], lr=1e-2)
for epoch in range(2):
    for x, y in DataLoader(TensorDataset(ids, labels), batch_size=20):
        loss = nn.functional.cross_entropy(head(embed(x)), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
