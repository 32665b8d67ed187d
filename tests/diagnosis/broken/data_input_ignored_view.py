"""Channels × time turned into time × batch × channels by a view where a permute was meant: samples are mixed."""
# finding: data.input_ignored
# also: data.shape_layout
# check

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(0)
CHANNELS, TIME = 6, 20
labels = torch.arange(640) % 4
waves = torch.sin(torch.arange(TIME) * (labels[:, None, None] + 1) * 0.4 + torch.rand(640, CHANNELS, 1))
signals = waves + 0.3 * torch.randn(640, CHANNELS, TIME)
train = DataLoader(TensorDataset(signals, labels), batch_size=16, shuffle=True)


class Recurrent(nn.Module):
    def __init__(self):
        super().__init__()
        self.project = nn.Linear(CHANNELS, 24)
        self.rnn = nn.GRU(24, 32)
        self.head = nn.Linear(32, 4)

    def forward(self, x):
        batch = x.shape[0]
        x = x.view(TIME, batch, CHANNELS)
        out, _ = self.rnn(self.project(x))
        return self.head(out[-1])


model = Recurrent()
optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
for epoch in range(4):
    right = 0
    for x, y in train:
        scores = model(x)
        loss = nn.functional.cross_entropy(scores, y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        right += int((scores.argmax(1) == y).sum())
    print(f"epoch {epoch} loss {loss.item():.3f} accuracy {right / len(signals):.2f}")
