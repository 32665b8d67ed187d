"""A rate-free blow-up: weights ten times too large in every layer, gradients explode from the first step on."""
# finding: grads.exploding
# also: loss.initial_value|loop.lr_extreme|loss.diverging|loss.nonfinite|grads.nonfinite|model.no_nonlinearity|model.init_scale|loss.oscillating|loss.not_decreasing|loss.spike

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(25)
x = torch.randn(480, 12)
y = (x @ torch.randn(12, 4)).argmax(1)
loader = DataLoader(TensorDataset(x, y), batch_size=16, shuffle=True)
layers = [nn.Linear(32, 32) for _ in range(8)]
for layer in layers:
    nn.init.normal_(layer.weight, std=2.0)
model = nn.Sequential(nn.Linear(12, 32), *layers, nn.Linear(32, 4))
optimizer = torch.optim.SGD(model.parameters(), lr=1e-6)
for epoch in range(3):
    for inputs, labels in loader:
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(inputs), labels)
        loss.backward()
        optimizer.step()
    print(epoch, loss.item())
