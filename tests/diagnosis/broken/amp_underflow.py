"""A float16 model without a gradient scaler: most of its gradients are too small for the format."""
# finding: amp.underflow
# live

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(11)
x = torch.randn(480, 12)
y = (x @ torch.randn(12, 4)).argmax(1)
loader = DataLoader(TensorDataset(x, y), batch_size=16, shuffle=True)
model = nn.Sequential(nn.Linear(12, 64), nn.Tanh(), nn.Linear(64, 64), nn.Tanh(), nn.Linear(64, 4)).half()
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
for epoch in range(4):
    for inputs, labels in loader:
        optimizer.zero_grad()
        target = nn.functional.one_hot(labels, 4).half()
        loss = 1e-5 * nn.functional.mse_loss(model(inputs.half()), target)
        loss.backward()
        optimizer.step()
    print(epoch, loss.item())
