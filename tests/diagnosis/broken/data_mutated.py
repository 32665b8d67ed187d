"""The augmentation adds its noise to the data set itself, more with every epoch."""

# finding: data.mutated
# live

import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset

torch.manual_seed(0)


class Signals(Dataset):
    def __init__(self):
        self.kinds = torch.randint(0, 2, (320,))
        self.signals = torch.randn(320, 16) + self.kinds[:, None]

    def __len__(self):
        return len(self.signals)

    def __getitem__(self, index):
        signal = self.signals[index]
        signal += 0.3 * torch.randn(16)
        return signal, self.kinds[index]


train = DataLoader(Signals(), batch_size=32, shuffle=True)

model = nn.Sequential(nn.Linear(16, 32), nn.ReLU(), nn.Linear(32, 2))
optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
for epoch in range(8):
    for inputs, labels in train:
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(inputs), labels)
        loss.backward()
        optimizer.step()
    print(epoch, loss.item())
