"""The recurrent layer wants time first and is given the batch first."""

# finding: data.shape_layout

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(0)

labels = torch.randint(0, 2, (480,))
signals = torch.randn(480, 20, 4) + labels[:, None, None] * 0.5
train = DataLoader(TensorDataset(signals, labels), batch_size=32, shuffle=True, drop_last=True)


class Classifier(nn.Module):
    def __init__(self):
        super().__init__()
        self.rnn = nn.GRU(4, 24)
        self.head = nn.Linear(24, 2)

    def forward(self, x):
        out, _ = self.rnn(x)
        return self.head(out[:, -1])


model = Classifier()
optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
for epoch in range(3):
    for x, y in train:
        loss = nn.functional.cross_entropy(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    print(epoch, loss.item())
