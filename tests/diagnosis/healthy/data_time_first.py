"""The collate function puts time first, as the recurrent layer wants it."""

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(0)

labels = torch.randint(0, 2, (480,))
signals = torch.randn(480, 20, 4) + labels[:, None, None] * 0.5


def time_first(samples):
    xs, ys = zip(*samples, strict=True)
    return torch.stack(xs, dim=1), torch.stack(ys)


train = DataLoader(TensorDataset(signals, labels), batch_size=32, shuffle=True, collate_fn=time_first)
rnn, head = nn.LSTM(4, 24), nn.Linear(24, 2)
optimizer = torch.optim.Adam([*rnn.parameters(), *head.parameters()], lr=3e-3)
for epoch in range(3):
    for x, y in train:
        out, _ = rnn(x)
        loss = nn.functional.cross_entropy(head(out[-1]), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    print(epoch, loss.item())
