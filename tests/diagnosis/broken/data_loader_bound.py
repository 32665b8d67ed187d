"""Each sample is made by a slow loop in the only process there is."""

# finding: data.loader_bound
# live

import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset

torch.manual_seed(0)


class Drawn(Dataset):
    def __len__(self):
        return 640

    def __getitem__(self, index):
        generator = torch.Generator().manual_seed(index)
        picture = torch.zeros(16, 16)
        for _ in range(150):
            picture += torch.rand(16, 16, generator=generator) - 0.5
        return picture.flatten(), index % 2


train = DataLoader(Drawn(), batch_size=8, shuffle=True)

model = nn.Sequential(nn.Linear(256, 32), nn.ReLU(), nn.Linear(32, 2))
optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
for epoch in range(1):
    for inputs, labels in train:
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(inputs), labels)
        loss.backward()
        optimizer.step()
    print(epoch, loss.item())
