"""Mean teacher: a deep copy follows the student by exponential averaging; the consistency loss uses both."""
import copy
import torch
from torch import nn

torch.manual_seed(31)
student = nn.Sequential(nn.Linear(6, 20), nn.BatchNorm1d(20), nn.ReLU(), nn.Dropout(0.2), nn.Linear(20, 2))
teacher = copy.deepcopy(student)
for p in teacher.parameters():
    p.detach_()
ema = torch.optim.swa_utils.AveragedModel(student, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(0.9))
opt = torch.optim.Adam(student.parameters(), lr=3e-3)


@torch.no_grad()
def update(alpha=0.95):
    for t, s in zip(teacher.parameters(), student.parameters()):
        t.mul_(alpha).add_(s, alpha=1 - alpha)


for step in range(30):
    x = torch.randn(32, 6)
    y = (x.sum(1) > 0).long()
    with torch.no_grad():
        soft = teacher(x + 0.1 * torch.randn_like(x)).softmax(1)
    logits = student(x)
    loss = nn.functional.cross_entropy(logits, y) + 0.3 * (logits.softmax(1) - soft).pow(2).mean()
    opt.zero_grad()
    loss.backward()
    opt.step()
    update()
    ema.update_parameters(student)
    snapshot = copy.deepcopy(student)  # every step, on purpose
    print("step", step, "loss", loss.item().hex())
print("digest", *(sum(p.double().sum().item() for p in m.parameters()).hex() for m in (student, teacher, ema, snapshot)))
