"""torch.func: five networks stacked and trained at once by vmap over functional_call."""

import copy

import torch
from torch import nn
from torch.func import functional_call, stack_module_state, vmap

torch.manual_seed(4)
members = [nn.Sequential(nn.Linear(5, 32), nn.Tanh(), nn.Linear(32, 1)) for _ in range(5)]
params, buffers = stack_module_state(members)
skeleton = copy.deepcopy(members[0]).to("meta")
params = {name: tensor.detach().clone().requires_grad_(True) for name, tensor in params.items()}
optimizer = torch.optim.Adam(params.values(), lr=5e-3)


def predict(p, b, x):
    return functional_call(skeleton, (p, b), (x,))


x = torch.rand(400, 5) * 2 - 1
y = (x[:, :1] * x[:, 1:2]) + 0.1 * torch.randn(400, 1)
for step in range(120):
    rows = torch.randint(400, (50,))
    outputs = vmap(predict, in_dims=(0, 0, None))(params, buffers, x[rows])
    loss = (outputs - y[rows]).square().mean(dim=(1, 2)).sum()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    if step % 30 == 0:
        print(step, loss.item() / 5)
