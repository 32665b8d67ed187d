"""Pictures from 0 to 255 cast to float and never scaled."""
# finding: data.range
# also: loss.initial_value|loop.lr_extreme

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(3)
pixels = torch.randint(0, 256, (400, 3, 10, 10), dtype=torch.uint8)
labels = torch.randint(4, (400,))
pixels[torch.arange(400), labels % 3] //= 2
model = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Flatten(), nn.Linear(512, 4))
optimizer = torch.optim.SGD(model.parameters(), lr=1e-4)
for epoch in range(3):
    for x, y in DataLoader(TensorDataset(pixels, labels), batch_size=20, shuffle=True):
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(x.float()), y)
        loss.backward()
        optimizer.step()
    print(epoch, loss.item())
