"""A trainer class whose optimize() clears the gradients right before it steps."""
# finding: loop.zero_grad_after_backward

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


class Trainer:
    def __init__(self, model, lr=0.05):
        self.model = model
        self.optimizer = torch.optim.SGD(model.parameters(), lr=lr, momentum=0.9)
        self.criterion = nn.CrossEntropyLoss()

    def optimize(self, loss):
        loss.backward()
        self.optimizer.zero_grad(set_to_none=False)
        self.optimizer.step()

    def fit(self, loader, epochs):
        for epoch in range(epochs):
            for a, b in loader:
                loss = self.criterion(self.model(a), b)
                self.optimize(loss)
            print(epoch, loss.item())


torch.manual_seed(2)
x = torch.randn(600, 8)
Trainer(nn.Sequential(nn.Linear(8, 32), nn.ReLU(), nn.Linear(32, 2))).fit(
    DataLoader(TensorDataset(x, (x[:, 0] > 0).long()), batch_size=30, shuffle=True), 4
)
