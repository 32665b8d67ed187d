# SystemExit in the middle, caught; a bare except; then on with the training
import sys
import torch
torch.manual_seed(70)
net = torch.nn.GRUCell(3, 5)
opt = torch.optim.Adadelta(net.parameters())
h = torch.zeros(2, 5)
for i in range(20):
    h = net(torch.randn(2, 3), h.detach())
    loss = (h - 0.5).pow(2).sum()
    try:
        if i == 5:
            sys.exit("stop")
        if i == 8:
            raise KeyboardInterrupt
        if i == 11:
            loss.backward(torch.ones(7))
        opt.zero_grad()
        loss.backward()
        opt.step()
    except BaseException as e:
        print(i, "swallowed", type(e).__name__)
        continue
    print(i, "loss", loss.item().hex())
print("digest", net.weight_ih.double().sum().item().hex())
