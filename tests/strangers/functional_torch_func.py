import torch
from torch.func import functional_call, grad_and_value, vmap

torch.manual_seed(9)
net = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.Tanh(), torch.nn.Linear(8, 1))
params = {k: v.detach().clone() for k, v in net.named_parameters()}
X, Y = torch.randn(64, 4), torch.randn(64, 1)


def loss_fn(params, x, y):
    return ((functional_call(net, params, (x,)) - y) ** 2).mean()


for step in range(40):
    grads, loss = grad_and_value(loss_fn)(params, X, Y)
    params = {k: p - 0.05 * grads[k] for k, p in params.items()}
    print(step, "loss", loss.item().hex())
# per-sample gradients, as in differential privacy
per_sample = vmap(grad_and_value(loss_fn), in_dims=(None, 0, 0))(params, X, Y)[0]
print("per-sample norm", per_sample["0.weight"].flatten(1).norm(dim=1).sum().item().hex())
print("digest", sum(p.double().sum().item() for p in params.values()).hex())
