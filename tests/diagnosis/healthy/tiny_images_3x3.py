"""Images of 3×3 pixels with three channels: NCHW and NHWC look the same."""

import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset


class Tiles(Dataset):
    def __init__(self, n):
        generator = torch.Generator().manual_seed(35)
        self.pixels = torch.randint(0, 256, (n, 3, 3, 3), generator=generator, dtype=torch.uint8)
        self.label = (self.pixels[:, 0].float().mean((1, 2)) > self.pixels[:, 2].float().mean((1, 2))).long()

    def __len__(self):
        return len(self.label)

    def __getitem__(self, i):
        return self.pixels[i], self.label[i]


torch.manual_seed(35)
loader = DataLoader(Tiles(1200), batch_size=40, shuffle=True)
model = nn.Sequential(nn.Conv2d(3, 16, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(144, 2))
optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
for epoch in range(5):
    for pixels, label in loader:
        x = pixels.float().div(255).sub(0.5).div(0.29)
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(x), label)
        loss.backward()
        optimizer.step()
    print(epoch, loss.item())
