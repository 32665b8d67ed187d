"""WGAN-GP critic: gradient penalty inside the forward, two optimizers with different rhythms."""
import hashlib
import torch
from torch import nn, autograd

torch.manual_seed(77)
G = nn.Sequential(nn.Linear(4, 24), nn.ReLU(), nn.Linear(24, 2))
D = nn.Sequential(nn.Linear(2, 24), nn.LeakyReLU(0.2), nn.Linear(24, 1))
optG = torch.optim.RMSprop(G.parameters(), lr=1e-3)
optD = torch.optim.RMSprop(D.parameters(), lr=1e-3)


def gradient_penalty(real, fake):
    a = torch.rand(real.size(0), 1)
    mix = (a * real + (1 - a) * fake).requires_grad_(True)
    g = autograd.grad(D(mix).sum(), mix, create_graph=True, retain_graph=True)[0]
    return ((g.norm(2, dim=1) - 1) ** 2).mean()


for it in range(20):
    for _ in range(3):
        real = torch.randn(32, 2) * 0.3 + 1
        fake = G(torch.randn(32, 4)).detach()
        loss_d = D(fake).mean() - D(real).mean() + 10 * gradient_penalty(real, fake)
        optD.zero_grad(set_to_none=True)
        loss_d.backward()
        optD.step()
    loss_g = -D(G(torch.randn(32, 4))).mean()
    optG.zero_grad(set_to_none=True)
    loss_g.backward()
    optG.step()
    print("it", it, "loss_d", loss_d.item().hex(), "loss_g", loss_g.item().hex())
print(hashlib.sha1(b"".join(p.detach().numpy().tobytes() for m in (G, D) for p in m.parameters())).hexdigest())
