# tied weights, the same module twice, parametrizations, a Parameter subclass, a tensor subclass as input
import torch
from torch import nn
from torch.nn.utils import parametrizations


class Tagged(torch.Tensor):
    seen = 0

    @classmethod
    def __torch_function__(cls, func, types, args=(), kwargs=None):
        cls.seen += 1
        return super().__torch_function__(func, types, args, kwargs or {})


class MyParam(nn.Parameter):
    pass


torch.manual_seed(99)
emb = nn.Embedding(12, 6)
mid = parametrizations.weight_norm(nn.Linear(6, 6))
spec = parametrizations.spectral_norm(nn.Linear(6, 6))
shared = nn.Linear(6, 6, bias=False)
scale = MyParam(torch.ones(6))
out = nn.Linear(6, 12, bias=False)
out.weight = emb.weight
params = list(dict.fromkeys([*emb.parameters(), *mid.parameters(), *spec.parameters(), *shared.parameters(), scale, *out.parameters()]))
opt = torch.optim.AdamW(params, lr=1e-2)
for i in range(20):
    ids = torch.randint(12, (8, 3))
    h = emb(ids).mean(1).as_subclass(Tagged)
    h = shared(torch.tanh(shared(mid(h)))) * scale + spec(h)
    loss = nn.functional.cross_entropy(out(h), ids[:, 0])
    opt.zero_grad()
    loss.backward()
    opt.step()
    print(i, "loss", float(loss).hex(), type(loss).__name__)
print("torch function calls", Tagged.seen)
print("digest", emb.weight.double().sum().item().hex())
