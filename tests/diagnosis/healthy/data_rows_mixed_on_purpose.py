"""A discriminator that compares the images of a batch (minibatch standard deviation), beside a generator from noise."""

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(0)
real = torch.randn(320, 10) * torch.linspace(0.2, 2.0, 10) + 1
train = DataLoader(TensorDataset(real), batch_size=16, shuffle=True, drop_last=True)


class Discriminator(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(10, 64), nn.LeakyReLU(0.2))
        self.head = nn.Linear(65, 1)

    def forward(self, x):
        h = self.body(x)
        spread = h.std(0).mean().expand(len(h), 1)
        return self.head(torch.cat([h, spread], 1))


generator = nn.Sequential(nn.Linear(8, 64), nn.ReLU(), nn.Linear(64, 10))
discriminator = Discriminator()
g_optimizer = torch.optim.Adam(generator.parameters(), lr=2e-4, betas=(0.5, 0.999))
d_optimizer = torch.optim.Adam(discriminator.parameters(), lr=2e-4, betas=(0.5, 0.999))
bce = nn.BCEWithLogitsLoss()
for epoch in range(3):
    for (x,) in train:
        fake = generator(torch.randn(len(x), 8))
        d_loss = bce(discriminator(x), torch.ones(len(x), 1)) + bce(
            discriminator(fake.detach()), torch.zeros(len(x), 1)
        )
        d_optimizer.zero_grad()
        d_loss.backward()
        d_optimizer.step()
        g_loss = bce(discriminator(fake), torch.ones(len(x), 1))
        g_optimizer.zero_grad()
        g_loss.backward()
        g_optimizer.step()
    print(epoch, d_loss.item(), g_loss.item())
