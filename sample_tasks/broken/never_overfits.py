"""Round blobs to be told apart by colour. It runs, it prints a loss, and it never learns: not even a single batch.

Why: the network's head is replaced after the optimizer was made, as happens when fine-tuning. The optimizer still
holds the old head, which is no longer part of the model; the new one stays at its random start. The features are
frozen, so nothing is left that learns.
Cure: make the optimizer after the last change to the model.
"""
# finding: loop.params_not_in_optimizer

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(0)


class Backbone(nn.Module):
    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.AdaptiveAvgPool2d(4), nn.Flatten())
        self.fc = nn.Linear(8 * 4 * 4, 10)

    def forward(self, x):
        return self.fc(self.features(x))


def make_blobs(n):
    labels = torch.randint(4, (n,))
    colour = torch.tensor([[1.0, 0, 0], [0, 1.0, 0], [0, 0, 1.0], [1.0, 1.0, 0]])[labels]
    ys, xs = torch.meshgrid(torch.arange(16), torch.arange(16), indexing="ij")
    disc = ((ys - 8) ** 2 + (xs - 8) ** 2 < 25).float()
    return colour[:, :, None, None] * disc + 0.1 * torch.randn(n, 3, 16, 16), labels


images, labels = make_blobs(512)
loader = DataLoader(TensorDataset(images, labels), batch_size=32, shuffle=True)

model = Backbone()
for p in model.features.parameters():
    p.requires_grad = False  # keep the features as they are
optimizer = torch.optim.Adam(filter(lambda p: p.requires_grad, model.parameters()), lr=1e-3)
model.fc = nn.Linear(8 * 4 * 4, 4)  # four classes, not ten

criterion = nn.CrossEntropyLoss()
for epoch in range(5):
    running_loss = 0.0
    for inputs, targets in loader:
        optimizer.zero_grad()
        loss = criterion(model(inputs), targets)
        loss.backward()
        optimizer.step()
        running_loss += loss.item()
    print(f"epoch {epoch + 1}, loss {running_loss / len(loader):.4f}")
