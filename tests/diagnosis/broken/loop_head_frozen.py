"""The new head is made before everything but the last block is to be frozen, and is caught by the freeze."""
# finding: loop.head_frozen

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(21)
x = torch.randn(480, 12)
y = (x @ torch.randn(12, 4)).argmax(1)
loader = DataLoader(TensorDataset(x, y), batch_size=16, shuffle=True)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Linear(12, 64)
        self.block = nn.Linear(64, 64)
        self.fc = nn.Linear(64, 4)

    def forward(self, x):
        return self.fc(torch.relu(self.block(torch.relu(self.body(x)))))


model = Net()
with torch.no_grad():  # stands for pretrained weights
    model.body.weight.normal_(0, 0.4)
for name, parameter in model.named_parameters():
    parameter.requires_grad = name.startswith("block")
optimizer = torch.optim.Adam([p for p in model.parameters() if p.requires_grad], lr=1e-3)
for epoch in range(2):
    for inputs, labels in loader:
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(inputs), labels)
        loss.backward()
        optimizer.step()
    print(epoch, loss.item())
