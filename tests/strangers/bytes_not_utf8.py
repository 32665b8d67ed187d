import os, sys
import torch
torch.manual_seed(0)
p = torch.nn.Parameter(torch.randn(4))
opt = torch.optim.SGD([p], lr=0.1)
out = sys.stdout.buffer
for i in range(10):
    loss = (p - torch.arange(4)).pow(2).sum()
    opt.zero_grad(); loss.backward(); opt.step()
    out.write(b"\xff\xfe caf\xe9 loss " + loss.item().hex().encode() + b"\n")
    out.flush()
os.write(2, b"\x80\x81 to stderr\n")
print("digest", p.double().sum().item().hex())
