"""A segmentation network that ends with Softmax2d and is trained with cross entropy."""
# finding: loss.softmax_before_ce

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(3)
images = torch.randn(160, 1, 12, 12)
masks = (images[:, 0] > 0).long() + (images[:, 0] > 1).long()
model = nn.Sequential(nn.Conv2d(1, 12, 3, padding=1), nn.ReLU(), nn.Conv2d(12, 3, 1), nn.Softmax(dim=1))
optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
criterion = nn.CrossEntropyLoss()
for epoch in range(4):
    for a, b in DataLoader(TensorDataset(images, masks), batch_size=16, shuffle=True):
        optimizer.zero_grad()
        loss = criterion(model(a), b)
        loss.backward()
        optimizer.step()
    print(epoch, loss.item())
