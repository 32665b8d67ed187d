"""A classifier with dropout and BatchNorm that gets no better on unseen data after the first epoch.

Why: `validate` switches the model to evaluation mode and nobody switches it back. From the second epoch on dropout
does nothing and BatchNorm keeps the statistics of the first.
Cure: `model.train()` at the start of every epoch.
"""
# finding: loop.eval_mode_in_training

import torch
import torch.nn.functional as F
from torch import nn, optim
from torch.utils.data import DataLoader, TensorDataset


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc1 = nn.Linear(20, 64)
        self.bn1 = nn.BatchNorm1d(64)
        self.drop = nn.Dropout(0.5)
        self.fc2 = nn.Linear(64, 3)

    def forward(self, x):
        return self.fc2(self.drop(F.relu(self.bn1(self.fc1(x)))))


def validate(model, loader):
    model.eval()
    correct = 0
    with torch.no_grad():
        for x, y in loader:
            correct += (model(x).argmax(1) == y).sum().item()
    return correct / len(loader.dataset)


def main():
    torch.manual_seed(1)
    centres = torch.randn(3, 20)
    y = torch.randint(3, (960,))
    x = centres[y] + 1.5 * torch.randn(960, 20)
    train_loader = DataLoader(TensorDataset(x[:768], y[:768]), batch_size=32, shuffle=True)
    val_loader = DataLoader(TensorDataset(x[768:], y[768:]), batch_size=64)

    model = Net()
    optimizer = optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
    model.train()
    for epoch in range(4):
        for x, y in train_loader:
            optimizer.zero_grad()
            loss = F.cross_entropy(model(x), y)
            loss.backward()
            optimizer.step()
        print(f"epoch {epoch}: loss {loss.item():.4f} val accuracy {validate(model, val_loader):.3f}")


if __name__ == "__main__":
    main()
