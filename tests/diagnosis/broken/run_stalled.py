"""A lock that is taken twice at step 60: the training stands still until its time limit ends it."""
# finding: run.stalled
# also: crash.killed
# live

import signal
import threading

import torch
from torch import nn

torch.manual_seed(0)
model = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 1))
optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
lock = threading.Lock()


def save(step):
    with lock:
        history.append(step)
        if step == 60:
            lock.acquire()  # forgotten: it is held already


history = []
signal.alarm(45)  # the time limit of a batch job
for step in range(80):
    x = torch.randn(32, 8)
    loss = ((model(x) - x.sum(1, keepdim=True)) ** 2).mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    save(step)
