"""Own hooks everywhere: saved tensors to disk-like packing, tensor hooks, post-accumulate hooks, torch function mode, anomaly mode."""
import torch
from torch import nn
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode


class Count(TorchFunctionMode):
    n = 0

    def __torch_function__(self, func, types, args=(), kwargs=None):
        Count.n += 1
        return func(*args, **(kwargs or {}))


class CountOps(TorchDispatchMode):
    n = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        CountOps.n += 1
        return func(*args, **(kwargs or {}))


torch.manual_seed(4)
net = nn.Sequential(nn.Linear(5, 9), nn.ReLU(inplace=True), nn.Linear(9, 2))
opt = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.5)
packs, tensor_hooks, fired = [], [], []
net[0].weight.register_hook(lambda g: tensor_hooks.append(1))
for p in net.parameters():
    p.register_post_accumulate_grad_hook(lambda p: fired.append(1))
net[2].register_full_backward_hook(lambda m, gi, go: None)
net.register_forward_pre_hook(lambda m, a: (a[0] * 1.0,))
for i in range(16):
    with torch.autograd.graph.saved_tensors_hooks(lambda t: (packs.append(1), t.clone())[1], lambda t: t):
        loss = nn.functional.cross_entropy(net(torch.randn(7, 5)), torch.randint(2, (7,)))
    opt.zero_grad()
    if i % 3 == 0:
        with torch.autograd.detect_anomaly(check_nan=True):
            loss.backward()
    elif i % 3 == 1:
        with Count():
            loss.backward()
    else:
        with CountOps():
            loss.backward()
    opt.step()
    print(i, "loss", loss.item().hex())
print("seen", len(packs), len(tensor_hooks), len(fired), "function mode", Count.n, "dispatch mode", CountOps.n)
print("digest", net[0].weight.double().sum().item().hex())
