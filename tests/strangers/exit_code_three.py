import atexit, sys
import torch
atexit.register(lambda: print("goodbye"))
torch.manual_seed(0)
m = torch.nn.PReLU()
o = torch.optim.SGD(m.parameters(), 0.1)
for i in range(10):
    loss = m(torch.randn(5)).pow(2).sum()
    o.zero_grad(); loss.backward(); o.step()
    print("loss", loss.item().hex())
print("digest", m.weight.item().hex())
sys.exit(3)
