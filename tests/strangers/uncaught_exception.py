import sys
import torch


def hook(kind, value, tb):
    print("own excepthook:", kind.__name__, value)


sys.excepthook = hook
torch.manual_seed(0)
net = torch.nn.Linear(6, 2)
opt = torch.optim.SGD(net.parameters(), lr=0.1)
for i in range(10):
    x = torch.randn(4, 6 if i < 7 else 5)
    loss = net(x).square().mean()
    opt.zero_grad()
    loss.backward()
    opt.step()
    print(i, "loss", loss.item().hex())
