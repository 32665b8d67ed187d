"""Forecasting: windows in their order on purpose, the target is the next value of the input itself, state is carried."""

import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset


class Windows(Dataset):
    def __init__(self, series, length=16):
        self.series, self.length = series, length

    def __len__(self):
        return len(self.series) - self.length

    def __getitem__(self, i):
        window = self.series[i : i + self.length + 1]
        return window[:-1, None], window[1:, None]


torch.manual_seed(16)
time = torch.arange(1400).float()
series = torch.sin(time / 9) + 0.4 * torch.sin(time / 2.3) + 0.05 * torch.randn(1400)
train = DataLoader(Windows(series[:1200]), batch_size=32, shuffle=False)
valid = DataLoader(Windows(series[1200:]), batch_size=92)


class Forecaster(nn.Module):
    def __init__(self):
        super().__init__()
        self.rnn = nn.GRU(1, 24, batch_first=True)
        self.out = nn.Linear(24, 1)

    def forward(self, x):
        return x + self.out(self.rnn(x)[0])


model = Forecaster()
optimizer = torch.optim.Adam(model.parameters(), lr=4e-3)
for epoch in range(4):
    model.train()
    for past, future in train:
        loss = nn.functional.mse_loss(model(past), future)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
    model.eval()
    with torch.no_grad():
        error = sum(nn.functional.mse_loss(model(a), b).item() for a, b in valid) / len(valid)
    print(f"epoch {epoch}: {loss.item():.5f} {error:.5f}")
