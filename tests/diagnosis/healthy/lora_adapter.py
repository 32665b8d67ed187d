"""LoRA: two linear layers in a row without a nonlinearity, B starts at zero, so A's first gradient is zero."""

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(17)


class LoRALinear(nn.Module):
    def __init__(self, base, rank=4, alpha=8):
        super().__init__()
        self.base = base.requires_grad_(False)
        self.A = nn.Parameter(torch.randn(rank, base.in_features) / base.in_features**0.5)
        self.B = nn.Parameter(torch.zeros(base.out_features, rank))
        self.scale = alpha / rank

    def forward(self, x):
        return self.base(x) + self.scale * (x @ self.A.t() @ self.B.t())


x = torch.randn(800, 24)
old, new = torch.randn(24, 4), torch.randn(24, 4)
model = nn.Sequential(nn.Linear(24, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 4))


def train(parameters, y, epochs, lr):
    optimizer = torch.optim.AdamW(parameters, lr=lr)
    for epoch in range(epochs):
        for a, b in DataLoader(TensorDataset(x, y), batch_size=40, shuffle=True):
            loss = nn.functional.cross_entropy(model(a), b)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        print(epoch, loss.item())


train(model.parameters(), (x @ old).argmax(1), 4, 2e-3)
model.requires_grad_(False)
for place in (0, 2, 4):
    model[place] = LoRALinear(model[place])
train([p for p in model.parameters() if p.requires_grad], (x @ (old + 0.5 * new)).argmax(1), 5, 3e-3)
