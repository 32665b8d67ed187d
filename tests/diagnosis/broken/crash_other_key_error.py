"""A typing error in the key under which the collate function puts the labels."""
# finding: crash.other

import torch
from torch import nn
from torch.utils.data import DataLoader

torch.manual_seed(28)
rows = [{"x": torch.randn(4), "label": i % 2} for i in range(80)]


def collate(items):
    return {"x": torch.stack([r["x"] for r in items]), "labels": torch.tensor([r["label"] for r in items])}


model = nn.Linear(4, 2)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
for batch in DataLoader(rows, batch_size=8, shuffle=True, collate_fn=collate):
    loss = nn.functional.cross_entropy(model(batch["x"]), batch["label"])
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
