# MAML-like: inner steps through autograd.grad(create_graph=True), outer loop with Adam
import torch

torch.manual_seed(21)
theta = [torch.randn(1, 20).mul_(0.5).requires_grad_(), torch.zeros(20, requires_grad=True), torch.randn(20, 1).mul_(0.2).requires_grad_(), torch.zeros(1, requires_grad=True)]
meta = torch.optim.Adam(theta, lr=5e-3)


def f(p, x):
    return torch.tanh(x @ p[0] + p[1]) @ p[2] + p[3]


for outer in range(25):
    meta.zero_grad()
    total = 0.0
    for task in range(3):
        amp, phase = torch.rand(2) * 3
        xs, xq = torch.rand(10, 1) * 6 - 3, torch.rand(10, 1) * 6 - 3
        fast = theta
        for inner in range(2):
            l = (f(fast, xs) - amp * torch.sin(xs + phase)).pow(2).mean()
            g = torch.autograd.grad(l, fast, create_graph=True)
            fast = [p - 0.05 * gi for p, gi in zip(fast, g)]
        total = total + (f(fast, xq) - amp * torch.sin(xq + phase)).pow(2).mean()
    total.backward()
    meta.step()
    print(f"outer {outer} meta loss {total.item()!r}")
print("sum", sum(p.sum().item() for p in theta))
