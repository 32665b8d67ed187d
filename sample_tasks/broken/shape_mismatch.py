"""LeNet with a second convolution made twice as wide. It ends in the first forward pass:
"mat1 and mat2 shapes cannot be multiplied (16x800 and 400x120)".

Why: `fc1` was left as it was, for 16 channels of 5×5 (400 numbers); now 32 channels of 5×5 arrive (800).
Cure: `nn.Linear(32 * 5 * 5, 120)`.
"""
# finding: crash.shape

import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.utils.data import DataLoader, TensorDataset


class LeNet(nn.Module):
    def __init__(self, classes=10):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 6, 5)
        self.conv2 = nn.Conv2d(6, 32, 5)
        self.fc1 = nn.Linear(16 * 5 * 5, 120)
        self.fc2 = nn.Linear(120, classes)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.conv1(x)), 2)
        x = F.max_pool2d(F.relu(self.conv2(x)), 2)
        x = torch.flatten(x, 1)
        x = F.relu(self.fc1(x))
        return self.fc2(x)


def train(model, loader, optimizer):
    for images, labels in loader:
        optimizer.zero_grad()
        loss = F.cross_entropy(model(images), labels)
        loss.backward()
        optimizer.step()
        print(f"loss {loss.item():.4f}")


if __name__ == "__main__":
    torch.manual_seed(0)
    data = TensorDataset(torch.randn(128, 1, 32, 32), torch.randint(10, (128,)))
    model = LeNet()
    train(model, DataLoader(data, batch_size=16), torch.optim.SGD(model.parameters(), lr=0.01))
