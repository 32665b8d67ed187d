"""Training in a thread beside a busy main thread; all random states printed at the end."""
import random, threading
import numpy as np
import torch

random.seed(1); np.random.seed(2); torch.manual_seed(3)
model = torch.nn.Sequential(torch.nn.Linear(4, 4), torch.nn.Hardswish(), torch.nn.Linear(4, 1))
done = threading.Event()


def work():
    opt = torch.optim.Adam(model.parameters(), lr=random.random() / 100)
    for i in range(25):
        x = torch.from_numpy(np.random.rand(8, 4)).float()
        loss = torch.nn.functional.l1_loss(model(x), x.sum(1, keepdim=True))
        opt.zero_grad(); loss.backward(); opt.step()
        print(i, "loss", loss.item().hex())
    done.set()


t = threading.Thread(target=work, name="trainer", daemon=True)
t.start()
while not done.wait(0.01):
    sum(range(1000))
t.join()
print("random", random.random().hex(), "numpy", float(np.random.rand()).hex(), "torch", torch.rand(1).item().hex())
print("digest", model[0].weight.double().sum().item().hex(), threading.active_count() >= 1)
