# the parent never trains; a forked child does, after torch was imported in the parent
import os
import time
import torch

torch.set_num_threads(1)
torch.manual_seed(2)
model = torch.nn.Linear(4, 2)
print("parent", torch.rand(1).item().hex(), flush=True)
pid = os.fork()
if pid == 0:
    opt = torch.optim.SGD(model.parameters(), lr=0.5)
    for i in range(10):
        loss = torch.nn.functional.cross_entropy(model(torch.randn(6, 4)), torch.randint(2, (6,)))
        opt.zero_grad()
        loss.backward()
        opt.step()
        print("child", i, "loss", loss.item().hex(), flush=True)
    time.sleep(0.6)  # "let the logger finish"
    os._exit(0)
_, status = os.waitpid(pid, 0)
print("parent weights", model.weight.double().sum().item().hex(), "status", status)
