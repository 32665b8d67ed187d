"""A Wasserstein GAN: five critic steps per generator step, gradient penalty by create_graph, negative losses."""

import torch
from torch import autograd, nn

torch.manual_seed(11)
CRITIC_STEPS, LAMBDA = 5, 10.0
modes = torch.tensor([[2.0, 0.0], [-2.0, 0.0], [0.0, 2.0], [0.0, -2.0]])
critic = nn.Sequential(nn.Linear(2, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 1))
generator = nn.Sequential(nn.Linear(4, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 2))
critic_optimizer = torch.optim.Adam(critic.parameters(), lr=1e-3, betas=(0.0, 0.9))
generator_optimizer = torch.optim.Adam(generator.parameters(), lr=1e-3, betas=(0.0, 0.9))


def real(n):
    return modes[torch.randint(4, (n,))] + 0.1 * torch.randn(n, 2)


def penalty(a, b):
    mix = torch.rand(len(a), 1)
    point = (mix * a + (1 - mix) * b).requires_grad_(True)
    (slope,) = autograd.grad(critic(point).sum(), point, create_graph=True)
    return ((slope.norm(2, dim=1) - 1) ** 2).mean()


for iteration in range(80):
    for parameter in critic.parameters():
        parameter.requires_grad = True
    for _ in range(CRITIC_STEPS):
        x = real(64)
        with torch.no_grad():
            fake = generator(torch.randn(64, 4))
        critic.zero_grad()
        cost = critic(fake).mean() - critic(x).mean() + LAMBDA * penalty(x, fake)
        cost.backward()
        critic_optimizer.step()
    for parameter in critic.parameters():
        parameter.requires_grad = False
    generator.zero_grad()
    loss = -critic(generator(torch.randn(64, 4))).mean()
    loss.backward()
    generator_optimizer.step()
    if iteration % 20 == 0:
        print(f"{iteration}: critic {cost.item():.3f} generator {loss.item():.3f}")
