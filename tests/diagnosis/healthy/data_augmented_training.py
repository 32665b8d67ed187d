"""Training images are augmented, evaluation images are not: scales differ a little, and on purpose."""

import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset

torch.manual_seed(0)


class Pictures(Dataset):
    def __init__(self, count, augment):
        self.labels = torch.randint(0, 3, (count,))
        self.images = torch.randn(count, 1, 6, 6) * 0.6
        for kind in range(3):
            self.images[self.labels == kind, :, 2 * kind : 2 * kind + 2] += 1.0
        self.augment = augment

    def __len__(self):
        return len(self.images)

    def __getitem__(self, index):
        image = self.images[index]
        if self.augment:
            image = image + 0.4 * torch.randn_like(image)
            image = image.flip(-1) if torch.rand(()) < 0.5 else image
            image = image * (torch.rand_like(image) > 0.1)
        return image, self.labels[index]


train = DataLoader(Pictures(400, True), batch_size=40, shuffle=True)
test = DataLoader(Pictures(200, False), batch_size=100)

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
