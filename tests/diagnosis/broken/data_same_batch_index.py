"""The data set forgets its index: every sample is the first one."""

# finding: data.same_batch|data.label_constant
# live
# also: data.label_constant|data.same_batch

import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset

torch.manual_seed(0)


class Readings(Dataset):
    def __init__(self):
        self.values = torch.randn(400, 12)
        self.kinds = (self.values.mean(1) > 0).long()

    def __len__(self):
        return len(self.values)

    def __getitem__(self, index):
        return self.values[0], self.kinds[0]


train = DataLoader(Readings(), batch_size=16, shuffle=True)

model = nn.Sequential(nn.Linear(12, 32), nn.ReLU(), nn.Linear(32, 2))
optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
for epoch in range(3):
    for inputs, labels in train:
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(inputs), labels)
        loss.backward()
        optimizer.step()
    print(epoch, loss.item())
