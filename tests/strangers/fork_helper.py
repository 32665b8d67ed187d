import os, sys
import torch

torch.manual_seed(40)
model = torch.nn.Linear(3, 3)
opt = torch.optim.SGD(model.parameters(), lr=0.1)


def step(i):
    loss = (model(torch.randn(4, 3)) - 1).pow(2).mean()
    opt.zero_grad(); loss.backward(); opt.step()
    print("step", i, "loss", loss.item().hex(), flush=True)


for i in range(8):
    step(i)
r, w = os.pipe()
pid = os.fork()
if pid == 0:  # a helper that reports on the model while the parent goes on
    os.close(r)
    os.write(w, f"child sees {model.weight.sum().item().hex()}\n".encode())
    os._exit(7)
os.close(w)
print(os.read(r, 100).decode().strip(), os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
pid = os.fork()
if pid == 0:  # and one that leaves in the ordinary way, with exit handlers
    sys.exit(0)
print("second child", os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
for i in range(8, 16):
    step(i)
print("digest", model.weight.double().sum().item().hex())
