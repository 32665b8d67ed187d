"""A diffusion model with an averaged copy that no optimizer holds."""

import copy

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


class Diffusion:
    def __init__(self, T=100):
        self.T = T
        self.beta = torch.linspace(1e-4, 0.1, T)
        self.alpha = 1 - self.beta
        self.alpha_hat = torch.cumprod(self.alpha, 0)

    def noise(self, x, t):
        a = self.alpha_hat[t][:, None]
        eps = torch.randn_like(x)
        return a.sqrt() * x + (1 - a).sqrt() * eps, eps

    def sample_timesteps(self, n):
        return torch.randint(0, self.T, (n,))

    @torch.no_grad()
    def sample(self, model, n):
        model.eval()
        x = torch.randn(n, 2)
        for i in reversed(range(self.T)):
            t = torch.full((n,), i)
            e = model(x, t)
            x = (x - self.beta[i] / (1 - self.alpha_hat[i]).sqrt() * e) / self.alpha[i].sqrt()
            if i:
                x = x + self.beta[i].sqrt() * torch.randn_like(x)
        model.train()
        return x


class Denoiser(nn.Module):
    def __init__(self, T, d=96):
        super().__init__()
        self.emb = nn.Embedding(T, d)
        self.inp = nn.Linear(2, d)
        self.body = nn.Sequential(nn.SiLU(), nn.Linear(d, d), nn.SiLU(), nn.Linear(d, d), nn.SiLU(), nn.Linear(d, 2))

    def forward(self, x, t):
        return self.body(self.inp(x) + self.emb(t))


class EMA:
    def __init__(self, model, beta=0.995):
        self.beta, self.shadow = beta, copy.deepcopy(model).eval().requires_grad_(False)

    def update(self, model):
        with torch.no_grad():
            for s, p in zip(self.shadow.parameters(), model.parameters()):
                s.mul_(self.beta).add_(p, alpha=1 - self.beta)


def main():
    torch.manual_seed(8)
    t = torch.rand(3000) * 9.4
    data = torch.stack([t.cos() * t, t.sin() * t], 1) / 5
    dl = DataLoader(TensorDataset(data), batch_size=128, shuffle=True)
    diffusion = Diffusion()
    model = Denoiser(diffusion.T)
    ema = EMA(model)
    opt = torch.optim.AdamW(model.parameters(), lr=1e-3)
    sched = torch.optim.lr_scheduler.CosineAnnealingLR(opt, T_max=40 * len(dl))
    mse = nn.MSELoss()
    for epoch in range(20):
        for (x,) in dl:
            ts = diffusion.sample_timesteps(len(x))
            x_t, eps = diffusion.noise(x, ts)
            loss = mse(model(x_t, ts), eps)
            opt.zero_grad()
            loss.backward()
            opt.step()
            sched.step()
            ema.update(model)
        if epoch % 10 == 0:
            s = diffusion.sample(ema.shadow, 64)
            print(f"epoch {epoch}: MSE {loss.item():.4f}, sample std {s.std().item():.3f}")
    torch.save(ema.shadow.state_dict(), "ema.pt")


main()
