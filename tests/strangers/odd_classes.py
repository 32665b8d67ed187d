"""Classes with their own ideas of train(), __call__, __getattr__, __iter__, __len__ and parameters()."""
import torch
from torch import nn


class Odd(nn.Module):
    def __init__(self):
        super().__init__()
        self.inner = nn.Linear(4, 4)
        self.drop = nn.Dropout(0.5)
        self.log = []

    def train(self, x, y=None):  # not a mode switch at all
        self.log.append("train")
        if isinstance(x, bool):
            return super().train(x)
        return ((self(x) - y) ** 2).mean()

    def __call__(self, x, scale=1.0):
        self.log.append("call")
        return scale * self.drop(self.inner(x))

    def __getattr__(self, name):
        if name.startswith("magic_"):
            return name
        return super().__getattr__(name)

    def __len__(self):
        raise RuntimeError("nobody should ask for my length")

    def __iter__(self):
        raise RuntimeError("nobody should iterate me")

    def __bool__(self):
        raise RuntimeError("nobody should ask whether I am true")

    def __repr__(self):
        raise RuntimeError("nobody should print me")


class OwnSGD(torch.optim.Optimizer):
    def __init__(self, params, speed):
        super().__init__(params, dict(speed=speed))

    @torch.no_grad()
    def step(self, closure=None):
        for group in self.param_groups:
            for p in group["params"]:
                p.sub_(group["speed"] * p.grad)
        return "stepped"


torch.manual_seed(3)
odd = Odd()
optimizer = OwnSGD(odd.parameters(), speed=0.1)
for i in range(20):
    x = torch.randn(8, 4)
    loss = odd.train(x, x.flip(1))
    optimizer.zero_grad()
    loss.backward()
    assert optimizer.step() == "stepped"
    print(i, "loss", loss.item().hex(), odd.magic_word)
print("calls", len(odd.log), odd.log.count("call"))
print("digest", odd.inner.weight.double().sum().item().hex())
