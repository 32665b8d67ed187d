# optimizer in backward: each parameter has its own optimizer that steps as soon as its gradient is there
import torch
from torch import nn

torch.manual_seed(23)
net = nn.Sequential(nn.Linear(6, 12), nn.Mish(), nn.Linear(12, 1))
optimizers = {p: torch.optim.Adam([p], lr=5e-3) for p in net.parameters()}


def apply(p):
    optimizers[p].step()
    optimizers[p].zero_grad()


for p in net.parameters():
    p.register_post_accumulate_grad_hook(apply)
for i in range(20):
    x = torch.randn(16, 6)
    loss = (net(x) - x.max(1, keepdim=True).values).pow(2).mean()
    loss.backward()
    print(i, "loss", loss.item().hex(), net[0].weight.grad)
print("digest", net[0].weight.double().sum().item().hex())
