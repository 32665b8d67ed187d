"""Training is resumed: the checkpoint is read, its epoch is taken, and its weights are forgotten."""
# finding: model.checkpoint_not_loaded

import os
import tempfile

import torch
from torch import nn

torch.manual_seed(3)


class Tagger(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed, self.rnn, self.out = nn.Embedding(40, 16), nn.GRU(16, 24, batch_first=True), nn.Linear(24, 5)

    def forward(self, words):
        return self.out(self.rnn(self.embed(words))[0])


path = os.path.join(tempfile.mkdtemp(), "last.pt")
torch.save({"epoch": 2, "model": Tagger().state_dict()}, path)

model = Tagger()
optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
checkpoint = torch.load(path)
words = torch.randint(0, 40, (600, 12))
tags = words % 5
for epoch in range(checkpoint["epoch"], checkpoint["epoch"] + 3):
    for rows in torch.randperm(600).split(40):
        loss = nn.functional.cross_entropy(model(words[rows]).flatten(0, 1), tags[rows].flatten())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    print(f"epoch {epoch} loss {loss.item():.3f}")
