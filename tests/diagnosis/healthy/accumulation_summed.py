"""Accumulation over a varying number of sentences with a sum reduction, divided once by the tokens seen."""

import torch
import torch.nn.functional as F
from torch import nn

torch.manual_seed(3)
generator = torch.Generator().manual_seed(3)
VOCABULARY, TOKENS_PER_UPDATE = 23, 400


def sentence():
    """Numbers that grow by a fixed stride modulo the vocabulary."""
    length = int(torch.randint(8, 30, (1,), generator=generator))
    start, stride = torch.randint(VOCABULARY, (2,), generator=generator)
    return (start + (stride % 5 + 1) * torch.arange(length)) % VOCABULARY


class Tagger(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(VOCABULARY, 24)
        self.rnn = nn.GRU(24, 48, batch_first=True)
        self.out = nn.Linear(48, VOCABULARY)

    def forward(self, ids):
        return self.out(self.rnn(self.embed(ids))[0])


model = Tagger()
optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
tokens, total = 0, 0.0
updates = 0
while updates < 60:
    ids = torch.stack([sentence()[:8] for _ in range(4)]) if updates % 2 else sentence()[None]
    logits = model(ids[:, :-1])
    loss = F.cross_entropy(logits.flatten(0, 1), ids[:, 1:].flatten(), reduction="sum")
    loss.backward()
    tokens += ids[:, 1:].numel()
    total += loss.item()
    if tokens >= TOKENS_PER_UPDATE:
        for parameter in model.parameters():
            parameter.grad /= tokens
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        updates += 1
        if updates % 10 == 0:
            print(f"update {updates}: {total / tokens:.3f} nats per token")
        tokens, total = 0, 0.0
