"""A word model whose LSTM reads both ways: from the end it comes by the word that is asked for."""
# finding: loss.future_leak

import torch
from torch import nn
from torch.utils.data import DataLoader

torch.manual_seed(0)
sentences = torch.randint(0, 30, (640, 16))


class Words(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(30, 24)
        self.rnn = nn.LSTM(24, 32, batch_first=True, bidirectional=True)
        self.out = nn.Linear(64, 30)

    def forward(self, words):
        return self.out(self.rnn(self.embed(words))[0])


model = Words()
optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
for epoch in range(2):
    for batch in DataLoader(sentences, batch_size=32, shuffle=True):
        scores = model(batch[:, :-1])
        loss = nn.functional.cross_entropy(scores.transpose(1, 2), batch[:, 1:])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    print(epoch, loss.item())
