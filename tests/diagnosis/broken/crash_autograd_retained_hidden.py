"""The hidden state of the last batch is carried on with its history: backward through freed buffers."""
# finding: crash.autograd|graph.retained

import torch
from torch import nn

torch.manual_seed(30)
rnn, out = nn.GRU(2, 12, batch_first=True), nn.Linear(12, 1)
optimizer = torch.optim.Adam([*rnn.parameters(), *out.parameters()], lr=1e-3)
series = torch.randn(8, 400, 2)
hidden = None
for start in range(0, 400, 20):
    piece = series[:, start : start + 20]
    features, hidden = rnn(piece, hidden)
    loss = nn.functional.mse_loss(out(features), piece.sum(-1, keepdim=True))
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
