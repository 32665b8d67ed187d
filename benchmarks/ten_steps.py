"""A training of ten steps per second, for `screen.py`: a network of 26 tensors, a bar, a line of output per second."""

from __future__ import annotations

import sys
import time

import torch
from torch import nn
from tqdm import tqdm

STEPS_PER_SECOND = 10.0


def main(seconds: float) -> None:
    torch.manual_seed(0)
    layers = [part for _ in range(6) for part in (nn.Linear(64, 64), nn.LayerNorm(64), nn.ReLU())]
    model = nn.Sequential(*layers, nn.Linear(64, 10))
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    due = time.monotonic()
    for step in tqdm(range(int(seconds * STEPS_PER_SECOND))):
        x = torch.randn(32, 64)
        loss = nn.functional.cross_entropy(model(x), x[:, :10].argmax(1))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if step % 10 == 0:
            tqdm.write(f"step {step} loss {loss.item():.4f}")
        due += 1 / STEPS_PER_SECOND
        time.sleep(max(0.0, due - time.monotonic()))


if __name__ == "__main__":
    main(float(sys.argv[1]))
