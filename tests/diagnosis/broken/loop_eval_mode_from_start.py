"""model.eval() once before training, for a sanity check, and never train()."""
# finding: loop.eval_mode_in_training

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(14)
images = torch.randn(320, 3, 8, 8)
labels = (images.mean((1, 2, 3)) > 0).long()
model = nn.Sequential(
    nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.Flatten(), nn.Dropout(0.5), nn.Linear(288, 2)
)
model.eval()
print("output before training:", model(images[:1]).shape)
optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
for epoch in range(3):
    for a, b in DataLoader(TensorDataset(images, labels), batch_size=16, shuffle=True):
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(a), b)
        loss.backward()
        optimizer.step()
    print(epoch, loss.item())
