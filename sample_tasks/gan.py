"""A generative adversarial network on a ring of eight clusters in the plane: two networks, two optimizers.

    dlmon sample_tasks/gan.py

What to watch: two losses. Neither should go to 0: as long as both hover (the discriminator near 2 ln 2 = 1.386, the
generator near ln 2 = 0.693) the two are well matched. Three backward calls belong to each round.
"""

import argparse
import hashlib
import math

import torch
import torch.nn as nn


def real_points(n, generator):
    """n points of the ring, shape (n, 2)."""
    angle = torch.randint(0, 8, (n,), generator=generator) * (2 * math.pi / 8)
    centre = torch.stack([angle.cos(), angle.sin()], dim=1)
    return centre + 0.05 * torch.randn(n, 2, generator=generator)


class Generator(nn.Module):
    def __init__(self, latent, hidden):
        super().__init__()
        self.main = nn.Sequential(
            nn.Linear(latent, hidden), nn.ReLU(True),
            nn.Linear(hidden, hidden), nn.ReLU(True),
            nn.Linear(hidden, 2),
        )  # fmt: skip

    def forward(self, z):
        return self.main(z)


class Discriminator(nn.Module):
    def __init__(self, hidden):
        super().__init__()
        self.main = nn.Sequential(
            nn.Linear(2, hidden), nn.LeakyReLU(0.2, inplace=True),
            nn.Linear(hidden, hidden), nn.LeakyReLU(0.2, inplace=True),
            nn.Linear(hidden, 1),
        )  # fmt: skip

    def forward(self, x):
        return self.main(x).view(-1)


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("--steps", type=int, default=6000)
    ap.add_argument("--batch-size", type=int, default=128)
    ap.add_argument("--latent", type=int, default=8)
    ap.add_argument("--hidden", type=int, default=96)
    ap.add_argument("--lr", type=float, default=2e-4)
    ap.add_argument("--seed", type=int, default=999)
    ap.add_argument("--log-every", type=int, default=500)
    args = ap.parse_args()

    torch.set_num_threads(1)  # for networks this small, more threads only get in each other's way
    torch.manual_seed(args.seed)
    source = torch.Generator().manual_seed(args.seed)
    netG, netD = Generator(args.latent, args.hidden), Discriminator(args.hidden)
    optimizerD = torch.optim.Adam(netD.parameters(), lr=args.lr, betas=(0.5, 0.999))
    optimizerG = torch.optim.Adam(netG.parameters(), lr=args.lr, betas=(0.5, 0.999))
    criterion = nn.BCEWithLogitsLoss()
    real_label = torch.ones(args.batch_size)
    fake_label = torch.zeros(args.batch_size)

    for step in range(1, args.steps + 1):
        # (1) The discriminator: real points should score 1, made-up ones 0.
        netD.zero_grad()
        errD_real = criterion(netD(real_points(args.batch_size, source)), real_label)
        errD_real.backward()
        fake = netG(torch.randn(args.batch_size, args.latent))
        errD_fake = criterion(netD(fake.detach()), fake_label)  # detach: this must not train the generator
        errD_fake.backward()
        optimizerD.step()

        # (2) The generator: its points should be taken for real.
        netG.zero_grad()
        errG = criterion(netD(fake), real_label)
        errG.backward()
        optimizerG.step()

        if args.log_every and step % args.log_every == 0:
            print(f"step {step}: loss_D {(errD_real + errD_fake).item()!r} loss_G {errG.item()!r}")

    with torch.no_grad():
        points = netG(torch.randn(2000, args.latent))
        angle = torch.atan2(points[:, 1], points[:, 0]) * 8 / (2 * math.pi)
        near = (points.norm(dim=1) - 1).abs() < 0.2
        clusters = angle[near].round().remainder(8).unique().numel()
    print(f"{near.float().mean():.0%} of the generated points lie on the ring, {clusters} of 8 clusters are reached")
    blob = b"".join(
        bytes(p.detach().flatten().view(torch.uint8).tolist()) for net in (netG, netD) for p in net.parameters()
    )
    print("weights", hashlib.sha256(blob).hexdigest()[:16])


if __name__ == "__main__":
    main()
