"""Hand-written SGD with torch.func.grad_and_value: no backward(), no optimizer object at all."""

import torch
from torch.func import grad_and_value

torch.manual_seed(5)
weights = {"w1": torch.randn(3, 20) * 0.5, "b1": torch.zeros(20), "w2": torch.randn(20, 1) * 0.2, "b2": torch.zeros(1)}


def loss_of(w, x, y):
    hidden = torch.tanh(x @ w["w1"] + w["b1"])
    return ((hidden @ w["w2"] + w["b2"] - y) ** 2).mean()


step_of = grad_and_value(loss_of)
x = torch.randn(500, 3)
y = torch.sin(x[:, :1]) + x[:, 1:2] * 0.5
for step in range(200):
    rows = torch.randint(500, (32,))
    gradients, value = step_of(weights, x[rows], y[rows])
    weights = {name: w - 0.1 * gradients[name] for name, w in weights.items()}
    if step % 40 == 0:
        print(step, value.item())
