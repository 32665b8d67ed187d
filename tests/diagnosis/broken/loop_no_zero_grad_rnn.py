"""A recurrent regressor that never clears its gradients; clipping hides how large they become."""
# finding: loop.no_zero_grad

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(0)
x = torch.randn(640, 12, 3)
y = x.sum(1)[:, :1].tanh()
model = nn.ModuleDict({"rnn": nn.LSTM(3, 24, batch_first=True), "out": nn.Linear(24, 1)})
optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
for epoch in range(5):
    for a, b in DataLoader(TensorDataset(x, y), batch_size=32, shuffle=True):
        loss = nn.functional.mse_loss(model["out"](model["rnn"](a)[0][:, -1]), b)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
    print(epoch, loss.item())
