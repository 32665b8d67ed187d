"""One of two ranks is killed in the middle; the other goes on alone for a while and nobody notices."""
# finding: rank.silent
# live

import os
import signal
import time

import torch
import torch.multiprocessing as mp
from torch import nn


def train(rank):
    os.environ.update(RANK=str(rank), WORLD_SIZE="2")
    torch.manual_seed(rank)
    model = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 1))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
    for step in range(500 - 100 * rank):
        x = torch.randn(32, 8)
        loss = ((model(x) - x.sum(1, keepdim=True)) ** 2).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        time.sleep(0.08)
        if rank == 1 and step == 40:
            os.kill(os.getpid(), signal.SIGKILL)  # as the kernel does it when memory runs out


if __name__ == "__main__":
    processes = [mp.get_context("spawn").Process(target=train, args=(rank,)) for rank in range(2)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
