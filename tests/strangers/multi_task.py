# shared trunk, two heads, two losses with separate backward calls (retain_graph), one optimizer with two groups
import torch
from torch import nn


class MultiTask(nn.Module):
    def __init__(self):
        super().__init__()
        self.trunk = nn.Sequential(nn.Linear(16, 32), nn.ReLU())
        self.heads = nn.ModuleDict({"cls": nn.Linear(32, 3), "reg": nn.Linear(32, 1)})

    def forward(self, x):
        z = self.trunk(x)
        return {k: head(z) for k, head in self.heads.items()}


torch.manual_seed(5)
net = MultiTask()
optimizer = torch.optim.SGD([{"params": net.trunk.parameters(), "lr": 0.01}, {"params": net.heads.parameters(), "lr": 0.1}], momentum=0.9)
for i in range(30):
    x = torch.randn(24, 16)
    yc, yr = (x[:, 0] > 0).long() + (x[:, 1] > 0).long(), x[:, 2:3] * 2
    out = net(x)
    loss_cls = nn.functional.cross_entropy(out["cls"], yc)
    loss_reg = nn.functional.smooth_l1_loss(out["reg"], yr)
    optimizer.zero_grad()
    loss_cls.backward(retain_graph=True)
    (0.5 * loss_reg).backward()
    optimizer.step()
    print(i, "loss_cls", loss_cls.item().hex(), "loss_reg", loss_reg.item().hex())
print("digest", sum(p.double().abs().sum().item() for p in net.parameters()).hex())
