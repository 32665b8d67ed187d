"""A hidden state of the full batch size meets the smaller last batch."""
# finding: crash.shape
# live

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(24)
BATCH = 32
loader = DataLoader(TensorDataset(torch.randn(500, 10, 4), torch.randn(500, 1)), batch_size=BATCH, shuffle=True)
rnn, out = nn.GRU(4, 16, batch_first=True), nn.Linear(16, 1)
optimizer = torch.optim.Adam([*rnn.parameters(), *out.parameters()], lr=1e-3)
for epoch in range(2):
    for x, y in loader:
        hidden = torch.zeros(1, BATCH, 16)
        features, hidden = rnn(x, hidden)
        loss = nn.functional.mse_loss(out(features[:, -1]), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    print(epoch, loss.item())
