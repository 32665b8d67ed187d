import os, signal, time
import torch

caught = []
signal.signal(signal.SIGTERM, lambda n, f: caught.append("TERM"))
signal.signal(signal.SIGUSR1, lambda n, f: caught.append("USR1"))
signal.signal(signal.SIGALRM, lambda n, f: caught.append("ALRM"))
previous = signal.getsignal(signal.SIGINT)
signal.setitimer(signal.ITIMER_REAL, 0.02)
torch.manual_seed(6)
model, data = torch.nn.Linear(2, 1), torch.randn(64, 2)
opt = torch.optim.Rprop(model.parameters())
for i in range(30):
    loss = (model(data) - data.sum(1, keepdim=True)).abs().mean()
    opt.zero_grad(); loss.backward(); opt.step()
    print(i, "loss", loss.item().hex())
    if i == 5:
        os.kill(os.getpid(), signal.SIGUSR1)
    if i == 9:
        os.kill(os.getpid(), signal.SIGTERM)
deadline = time.time() + 10
while "ALRM" not in caught and time.time() < deadline:
    time.sleep(0.001)
try:
    os.kill(os.getpid(), signal.SIGINT)
    time.sleep(1)
except KeyboardInterrupt:
    caught.append("INT")
print(sorted(caught), previous is signal.default_int_handler, signal.getsignal(signal.SIGUSR2) is signal.SIG_DFL)
print("digest", model.weight.double().sum().item().hex())
