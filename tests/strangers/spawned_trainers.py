"""Hogwild: two spawned children train a shared model, one after the other so that the result is the same each time."""
import time

import torch
import torch.multiprocessing as mp
from torch import nn


def train(rank, model, turn):
    torch.manual_seed(rank)
    while turn.value != rank:
        time.sleep(0.01)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
    for step in range(10):
        x = torch.randn(16, 5)
        loss = nn.functional.mse_loss(model(x), x.sum(1, keepdim=True))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        print(f"child {rank} step {step} loss {loss.item()!r}", flush=True)
    turn.value += 1


if __name__ == "__main__":
    torch.manual_seed(0)
    ctx = mp.get_context("spawn")
    model = nn.Linear(5, 1)
    model.share_memory()
    turn = ctx.Value("i", 0)
    children = [ctx.Process(target=train, args=(rank, model, turn)) for rank in range(2)]
    for child in children:
        child.start()
    for child in children:
        child.join()
    print("exit codes", [c.exitcode for c in children])
    print("weights", [v.hex() for v in model.weight.flatten().tolist()])
