"""A stream that cannot be shuffled."""

import csv
import itertools
import os
import sys

import torch
from torch.utils.data import DataLoader, IterableDataset, get_worker_info

CKPT = "latest.ckpt"
LOG = "log.csv"
MAX_STEPS = 500


class Stream(IterableDataset):
    def __init__(self, seed=0):
        self.seed = seed

    def __iter__(self):
        info = get_worker_info()
        g = torch.Generator().manual_seed(self.seed + (info.id if info else 0))
        while True:
            x = torch.rand(8, generator=g) * 2 - 1
            y = x[0] * x[1] * 3 + torch.sin(3 * x[2]) + 0.05 * torch.randn((), generator=g)
            yield x, y.unsqueeze(0)


torch.manual_seed(0)
model = torch.nn.Sequential(
    torch.nn.Linear(8, 64), torch.nn.Tanh(), torch.nn.Linear(64, 64), torch.nn.Tanh(), torch.nn.Linear(64, 1)
)
opt = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9, nesterov=True)
step = 0
if os.path.exists(CKPT):
    c = torch.load(CKPT)
    model.load_state_dict(c["model"])
    opt.load_state_dict(c["opt"])
    step = c["step"]
    print("resumed from step", step)
else:
    torch.manual_seed(1)
    with open(LOG, "w", newline="") as f:
        csv.writer(f).writerow(["step", "loss", "val"])
loader = DataLoader(Stream(step), batch_size=32)
val = list(itertools.islice(DataLoader(Stream(99), batch_size=64), 4))
end = step + MAX_STEPS
for x, y in loader:
    pred = model(x)
    loss = torch.nn.functional.mse_loss(pred, y)
    opt.zero_grad()
    loss.backward()
    opt.step()
    step += 1
    if step % 100 == 0:
        model.eval()
        with torch.no_grad():
            v = sum(torch.nn.functional.mse_loss(model(a), b).item() for a, b in val) / len(val)
        model.train()
        with open(LOG, "a", newline="") as f:
            csv.writer(f).writerow([step, loss.item(), v])
        torch.save({"model": model.state_dict(), "opt": opt.state_dict(), "step": step}, CKPT + ".tmp")
        os.replace(CKPT + ".tmp", CKPT)
        print(step, "loss %.5f val %.5f" % (loss.item(), v), flush=True)
    if step >= end:
        break
with open(LOG) as f:
    print(f.read())
