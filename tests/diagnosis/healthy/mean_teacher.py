"""Semi-supervised with a teacher that follows by averaging, and a warm-up."""

import copy
import itertools

import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(21)
centers = torch.randn(5, 16) * 1.6
y_all = torch.randint(0, 5, (2500,))
x_all = centers[y_all] + torch.randn(2500, 16)
labeled = DataLoader(TensorDataset(x_all[:200], y_all[:200]), batch_size=20, shuffle=True)
unlabeled = DataLoader(TensorDataset(x_all[200:2000]), batch_size=60, shuffle=True)
test = DataLoader(TensorDataset(x_all[2000:], y_all[2000:]), batch_size=100)


def cycle(loader):
    while True:
        for batch in loader:
            yield batch


student = nn.Sequential(nn.Linear(16, 64), nn.ReLU(), nn.Dropout(0.1), nn.Linear(64, 5))
teacher = copy.deepcopy(student)
for p in teacher.parameters():
    p.requires_grad_(False)
opt = torch.optim.SGD(student.parameters(), lr=0.05, momentum=0.9)
warm = 100
lin = torch.optim.lr_scheduler.LinearLR(opt, 0.1, 1.0, total_iters=warm)
cos = torch.optim.lr_scheduler.CosineAnnealingLR(opt, 1500 - warm)
sched = torch.optim.lr_scheduler.SequentialLR(opt, [lin, cos], milestones=[warm])
lab, unl = cycle(labeled), cycle(unlabeled)
for it in range(1500):
    (x, y), (u,) = next(lab), next(unl)
    student.train()
    logits = student(x + 0.1 * torch.randn_like(x))
    sup = F.cross_entropy(logits, y)
    with torch.no_grad():
        target = teacher(u).softmax(-1)
    cons = F.mse_loss(student(u + 0.1 * torch.randn_like(u)).softmax(-1), target)
    loss = sup + min(1.0, it / 500) * cons
    opt.zero_grad(set_to_none=True)
    loss.backward()
    opt.step()
    sched.step()
    with torch.no_grad():
        for t, s in zip(teacher.parameters(), student.parameters()):
            t.lerp_(s, 0.01)
    if (it + 1) % 250 == 0:
        teacher.eval()
        with torch.no_grad():
            acc = sum((teacher(a).argmax(1) == b).sum().item() for a, b in test) / len(test.dataset)
        teacher.train()
        print(f"iter {it + 1} sup {sup.item():.4f} cons {cons.item():.5f} teacher acc {acc:.3f}")
