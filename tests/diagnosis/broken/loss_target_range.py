"""Segmentation masks of 0 and 255 go into BCEWithLogitsLoss as they come from the files."""
# finding: loss.target_range

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(0)


def main():
    images = torch.randn(256, 3, 12, 12)
    masks = (images.mean(1, keepdim=True) > 0).float() * 255
    model = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 1, 1))
    criterion = nn.BCEWithLogitsLoss()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    for epoch in range(3):
        for x, y in DataLoader(TensorDataset(images, masks), batch_size=32, shuffle=True):
            optimizer.zero_grad()
            loss = criterion(model(x), y)
            loss.backward()
            optimizer.step()
        print(f"epoch {epoch} loss {loss.item():.3f}")


main()
