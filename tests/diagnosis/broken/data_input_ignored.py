"""A classifier whose second layer is given the learned bias instead of what the first layer made of the input."""
# finding: data.input_ignored
# also: grads.zero|loop.params_frozen_unintended|model.collapse
# check

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(0)
centres = torch.randn(4, 12) * 2
labels = torch.arange(640) % 4
features = centres[labels] + torch.randn(640, 12)
train = DataLoader(TensorDataset(features, labels), batch_size=32, shuffle=True)


class Classifier(nn.Module):
    def __init__(self):
        super().__init__()
        self.encode = nn.Sequential(nn.Linear(12, 48), nn.ReLU(), nn.Linear(48, 48))
        self.start = nn.Parameter(torch.randn(48) * 0.1)
        self.decode = nn.Sequential(nn.Linear(48, 48), nn.ReLU(), nn.Linear(48, 4))

    def forward(self, x):
        state = self.start.expand(x.shape[0], -1)
        encoded = torch.relu(self.encode(x))
        state = state + encoded * torch.zeros_like(encoded)
        return self.decode(state)


model = Classifier()
optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
for epoch in range(4):
    right = 0
    for x, y in train:
        scores = model(x)
        loss = nn.functional.cross_entropy(scores, y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        right += int((scores.argmax(1) == y).sum())
    print(f"epoch {epoch} loss {loss.item():.3f} accuracy {right / len(features):.2f}")
