"""The test images are not normalised as the training images are."""

# finding: data.eval_preprocessing

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(0)

labels = torch.randint(0, 3, (600,))
images = torch.rand(600, 1, 6, 6) * 0.5
for kind in range(3):
    images[labels == kind, :, 2 * kind : 2 * kind + 2] += 0.4
normalised = (images - images.mean()) / images.std()
train = DataLoader(TensorDataset(normalised[:400], labels[:400]), batch_size=40, shuffle=True)
test = DataLoader(TensorDataset(images[400:], labels[400:]), batch_size=100)

model = nn.Sequential(nn.Flatten(), nn.Linear(36, 32), nn.ReLU(), nn.Linear(32, 3))
optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
for epoch in range(4):
    model.train()
    for x, y in train:
        loss = nn.functional.cross_entropy(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    model.eval()
    with torch.no_grad():
        right = sum((model(x).argmax(1) == y).sum().item() for x, y in test)
    print(epoch, right)
