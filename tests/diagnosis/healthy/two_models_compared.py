"""Two models trained side by side on the same batches."""

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(10)
seq = torch.cumsum(torch.randn(1200, 20) * 0.3, 1)
target = seq[:, -1] + 0.5 * seq.mean(1)
ds = TensorDataset(seq.unsqueeze(-1), target)
tr, va = torch.utils.data.random_split(ds, [1000, 200])


class LSTMReg(nn.Module):
    def __init__(self):
        super().__init__()
        self.rnn = nn.LSTM(1, 32, batch_first=True)
        self.fc = nn.Linear(32, 1)

    def forward(self, x):
        out, _ = self.rnn(x)
        return self.fc(out[:, -1]).squeeze(-1)


class MLPReg(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Sequential(nn.Flatten(), nn.Linear(20, 64), nn.ReLU(), nn.Linear(64, 1), nn.Flatten(0))

    def forward(self, x):
        return self.fc(x)


def fit(model, name, epochs):
    opt = torch.optim.Adam(model.parameters(), lr=3e-3)
    lossf = nn.L1Loss()
    for e in range(epochs):
        model.train()
        for xb, yb in DataLoader(tr, batch_size=40, shuffle=True):
            opt.zero_grad()
            lossf(model(xb), yb).backward()
            opt.step()
        model.eval()
        with torch.no_grad():
            v = sum(lossf(model(xb), yb).item() for xb, yb in DataLoader(va, batch_size=100)) / 2
        print(name, "epoch", e, "val L1", v)
    return v


results = {"mlp": fit(MLPReg(), "mlp", 10), "lstm": fit(LSTMReg(), "lstm", 10)}
print("winner:", min(results, key=results.get))
