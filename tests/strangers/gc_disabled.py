import gc
gc.disable()
import torch
gc.collect()
gc.freeze()

torch.manual_seed(0)
m = torch.nn.Sequential(torch.nn.Linear(50, 50), torch.nn.Sigmoid(), torch.nn.Linear(50, 1))
o = torch.optim.Adam(m.parameters())
for i in range(150):
    loss = torch.nn.functional.binary_cross_entropy_with_logits(m(torch.randn(16, 50)), torch.rand(16, 1).round())
    o.zero_grad()
    loss.backward()
    o.step()
    if i == 60:
        gc.collect()
    print(i, "loss", loss.item().hex())
# Nothing may pile up in cycles while nobody collects: tensors found now would have been a leak.
gc.set_debug(gc.DEBUG_SAVEALL)
gc.collect()
leaked = [type(g).__name__ for g in gc.garbage if type(g) in (torch.Tensor, torch.nn.Parameter)]
print("tensors in cyclic garbage:", len(leaked))
print("digest", m[0].weight.double().sum().item().hex(), gc.isenabled())
