"""Fit a noisy decaying oscillation: a known formula for the signal, a small network for the baseline drift."""

import math

import torch
from torch import nn

torch.manual_seed(3)
torch.set_default_dtype(torch.float64)

N = 200
NOISE = 0.03
MAX_ROUNDS = 25


def measurement():
    t = torch.linspace(0.0, 10.0, N).unsqueeze(1)
    signal = 1.7 * torch.exp(-0.25 * t) * torch.cos(2.1 * t + 0.4)
    drift = 0.3 * torch.tanh(t - 5.0)
    return t, signal + drift + NOISE * torch.randn_like(t)


class DampedCosine(nn.Module):
    """a * exp(-b t) * cos(w t + p), plus what the network calls the drift."""

    def __init__(self):
        super().__init__()
        self.amplitude = nn.Parameter(torch.tensor(1.0))
        self.log_decay = nn.Parameter(torch.tensor(-1.0))
        self.frequency = nn.Parameter(torch.tensor(2.0))
        self.phase = nn.Parameter(torch.tensor(0.0))
        self.drift = nn.Sequential(nn.Linear(1, 6), nn.Tanh(), nn.Linear(6, 1))

    def forward(self, t):
        envelope = self.amplitude * torch.exp(-torch.exp(self.log_decay) * t)
        return envelope * torch.cos(self.frequency * t + self.phase) + self.drift(t / 10.0 - 0.5)


t, y = measurement()
held_out = torch.arange(N) % 5 == 0
t_fit, y_fit = t[~held_out], y[~held_out]
t_test, y_test = t[held_out], y[held_out]

model = DampedCosine()
optimizer = torch.optim.LBFGS(model.parameters(), lr=0.5, max_iter=10, history_size=20, line_search_fn="strong_wolfe")
evaluations = 0


def closure():
    global evaluations
    evaluations += 1
    optimizer.zero_grad()
    residual = model(t_fit) - y_fit
    loss = residual.pow(2).mean() + 1e-6 * sum(p.pow(2).sum() for p in model.drift.parameters())
    loss.backward()
    return loss


previous = math.inf
for round_number in range(1, MAX_ROUNDS + 1):
    loss = optimizer.step(closure)
    with torch.no_grad():
        test = (model(t_test) - y_test).pow(2).mean()
    print(f"round {round_number:2d} loss {loss.item()!r} held out {test.item()!r} evaluations {evaluations}")
    if abs(previous - loss.item()) < 1e-10:
        print("converged")
        break
    previous = loss.item()

with torch.no_grad():
    rms = (model(t_test) - y_test).pow(2).mean().sqrt().item()
print(f"amplitude {model.amplitude.item()!r}")
print(f"decay     {model.log_decay.exp().item()!r}")
print(f"frequency {model.frequency.item()!r}")
print(f"phase     {model.phase.item()!r}")
print(f"residual  {rms!r} (noise {NOISE})")
print("digest", sum(p.sum().item() for p in model.parameters()).hex())
