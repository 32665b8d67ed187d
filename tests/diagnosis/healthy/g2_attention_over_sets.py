"""Set pooling by a softmax over dimension 0, sparse ReLU features, gates that are nearly always open, zero-started head."""

import torch
from torch import nn
from torch.utils.data import DataLoader

torch.manual_seed(0)


class SetNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.point = nn.Sequential(nn.Linear(6, 64), nn.ReLU())
        self.score, self.gate = nn.Linear(64, 1), nn.Linear(64, 64)
        self.low, self.high = nn.Linear(64, 4, bias=False), nn.Linear(4, 64)  # factorised on purpose
        self.head = nn.Linear(64, 3)
        nn.init.constant_(self.gate.bias, 12.0)
        nn.init.zeros_(self.head.weight)

    def forward(self, points):
        pooled = []
        for cloud in points:  # (n, 6)
            x = self.point(cloud)
            x = x * torch.sigmoid(self.gate(x))
            pooled.append((torch.softmax(self.score(x), dim=0) * x).sum(0))
        x = torch.stack(pooled)
        return self.head(x + self.high(self.low(x)))


centres = torch.randn(3, 6)
clouds = []
for i in range(480):
    label = i % 3
    clouds.append((centres[label] + torch.randn(5 + i % 4, 6), label))


def together(items):
    return [cloud for cloud, _ in items], torch.tensor([label for _, label in items])


loader = DataLoader(clouds, batch_size=24, shuffle=True, collate_fn=together)
model = SetNet()
optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
for epoch in range(3):
    history = []
    for points, y in loader:
        loss = nn.functional.cross_entropy(model(points), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        history.append(loss.detach())
    print(f"epoch {epoch} loss {torch.stack(history).mean():.3f}")
