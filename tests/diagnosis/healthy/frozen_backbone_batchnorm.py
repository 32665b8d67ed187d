"""Fine-tuning: the backbone is frozen and its BatchNorm stays in eval mode on purpose; only a new head trains."""

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(5)


def make_backbone():
    return nn.Sequential(
        nn.Conv2d(3, 16, 3, padding=1),
        nn.BatchNorm2d(16),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(16, 32, 3, padding=1),
        nn.BatchNorm2d(32),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
    )


class Finetuned(nn.Module):
    def __init__(self, classes):
        super().__init__()
        self.backbone = make_backbone()
        self.fc = nn.Linear(32, classes)
        for parameter in self.backbone.parameters():
            parameter.requires_grad_(False)

    def train(self, mode=True):
        super().train(mode)
        self.backbone.eval()
        return self

    def forward(self, x):
        return self.fc(self.backbone(x))


colour = torch.randint(3, (480,))
images = torch.rand(480, 3, 12, 12)
images[torch.arange(480), colour] += 0.8
loader = DataLoader(TensorDataset((images - 0.6) / 0.4, colour), batch_size=32, shuffle=True)
model = Finetuned(3)
optimizer = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=0.1, momentum=0.9)
for epoch in range(5):
    model.train()
    for x, y in loader:
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
    print("epoch", epoch, "loss", round(loss.item(), 4))
