"""Translates digit strings to their reverse: the encoder looks everywhere, the decoder is masked, sources and targets
are of the same length."""

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(0)
source = torch.randint(3, 13, (800, 10))
target = torch.cat([torch.full((800, 1), 1), source.flip(1)], 1)


class Translator(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed, self.place = nn.Embedding(13, 32), nn.Embedding(16, 32)
        self.body = nn.Transformer(32, 4, 1, 1, 64, dropout=0.1, batch_first=True)
        self.out = nn.Linear(32, 13)

    def forward(self, x, y):
        place = self.place(torch.arange(y.shape[1]))
        mask = nn.Transformer.generate_square_subsequent_mask(y.shape[1])
        return self.out(self.body(self.embed(x) + place, self.embed(y) + place, tgt_mask=mask))


model = Translator()
optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
for epoch in range(2):
    for x, y in DataLoader(TensorDataset(source, target), batch_size=40, shuffle=True):
        loss = nn.functional.cross_entropy(model(x, y[:, :-1]).flatten(0, 1), y[:, 1:].flatten())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    print(epoch, loss.item())
