"""The batches are bytes; the model itself divides them by 255."""

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(0)

labels = torch.randint(0, 3, (480,))
pictures = torch.randint(0, 100, (480, 3, 9, 9), dtype=torch.uint8)
for kind in range(3):
    pictures[labels == kind, kind] += 150
train = DataLoader(TensorDataset(pictures, labels), batch_size=32, shuffle=True)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3)
        self.head = nn.Linear(8, 3)

    def forward(self, pixels):
        x = (pixels.float() / 255 - 0.5) / 0.25
        return self.head(torch.relu(self.conv(x)).mean((2, 3)))


model = Net()
optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
for epoch in range(3):
    for images, targets in train:
        loss = nn.functional.cross_entropy(model(images), targets)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    print(epoch, loss.item())
