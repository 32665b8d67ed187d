"""Builds the log of a long training: what dlmon's probes and supervisor would have written, without the training.

200 steps a second, so 50 steps a block. 20 series: the loss and the learning rate of every step, the time waited for
data and the step time, the gradient norm of every 50th, 14 scalars that the script logs every 50 steps, and the loss
and accuracy of an evaluation every 5,000. Beside them what every run has: a bar, heartbeats, the governor's account,
gradients of 24 parameters every 30 s, the machine once a second, output.
"""

from __future__ import annotations

import json
import math
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from dlmon.record.codec import encode_event
from dlmon.record.manifest import Manifest, Outcome, write_manifest
from dlmon_probes import events

START = 1_700_000_000.0  # unix seconds
DT = 0.005
BLOCK = 50  # a quarter of a second
SCALARS_EVERY, EVALUATE_EVERY, SAMPLE_EVERY = 50, 5_000, 6_000  # steps
NAMES = ("loss", "acc", "top5", "ema", "scale", "norm", "speed")
TAGS = tuple(f"{group}/{name}" for group in ("train", "optim") for name in NAMES)
PARAMETERS = [f"layers.{index}.{kind}" for index in range(12) for kind in ("weight", "bias")]
SCRIPT = events.Where("/home/me/train.py", 88, "main", "loss.backward()")


def loss_at(step: int, steps: int, noise: random.Random) -> float:
    return 0.2 + 2.1 * math.exp(-8 * step / steps) + 0.05 * noise.gauss(0, 1)


def write_run(folder: Path, steps: int) -> Path:
    """A finished run of `steps` steps (a multiple of 50)."""
    folder.mkdir(parents=True)
    end = START + 2 + steps * DT
    write_manifest(
        folder,
        Manifest(
            name=folder.name, command=["python", "train.py"], argv=["train.py"], created=START,
            outcome=Outcome(0, "", end - START, end),
        ),
    )  # fmt: skip
    printed = 0
    with (folder / "rank0.jsonl").open("wb") as rank, (folder / "host.jsonl").open("wb") as host:
        with (folder / "output.log").open("wb") as output:
            host.writelines(map(encode_event, _host_head()))
            rank.writelines(map(encode_event, _rank_head()))
            for first, lines in rank_blocks(steps):
                rank.writelines(lines)
                if first % (4 * BLOCK) == 0:
                    text = f"step {first} loss {loss_at(first, steps, random.Random(first)):.4f}\r\n".encode()
                    printed += output.write(text)
                    host.writelines(map(encode_event, _second(first, printed)))
        host.write(encode_event(events.Exit(end, 0, end - START)))
        rank.write(encode_event(events.End(end - 0.5, steps)))
    return folder


def rank_blocks(steps: int, since: int = 0) -> Iterator[tuple[int, list[bytes]]]:
    """The first step of each block and the lines that are written with it."""
    noise = random.Random(7)
    total = math.ceil(steps / BLOCK) * BLOCK
    for first in range(since, total, BLOCK):
        found: list[Any] = [_steps(first, steps, noise)]
        t = found[0].t
        if first % SCALARS_EVERY == 0:
            rows = [events.ScalarRow(tag, noise.random(), first) for tag in TAGS]
            found.append(events.Scalars(t, "tensorboard", first, rows))
        if first % EVALUATE_EVERY == 0:
            loss = loss_at(first, steps, noise) + 0.1
            found.append(events.Evaluation(t, first, 20, 640, 0.4, loss=loss, accuracy=1 / (1 + loss), where=SCRIPT))
        if first % SAMPLE_EVERY == 0:
            found.append(_gradients(t, first, noise))
        if first % (4 * BLOCK) == 0:
            found.append(events.Heartbeat(t, first, "training", 0.001))
            seconds = {"loop": 1.0, "gradients": 2.0, "activations": 0.4, "data": 0.3}
            counts = {"gradients": 30, "activations": 12, "order": 30}
            found.append(events.Governor(t, first, 0.01, 0.004, 6000, first, first * DT, counts, counts, seconds))
        found.append(events.Bar(t, 0, "training", first + BLOCK, steps, "it", 200.0, first * DT, "loss=0.21"))
        yield first, [encode_event(event) for event in found]


def _rank_head() -> list[Any]:
    rows = [events.Parameter(p, name, [256, 256], "float32", "cuda:0", True, 65536, 0)
            for p, name in enumerate(PARAMETERS)]  # fmt: skip
    held = events.OptimizerGroup(list(range(len(rows))), {"lr": 3e-4})
    return [
        events.Hello(START + 1, 1, "rank", 42, "node1", torch="2.13.0"),
        events.Phase(START + 1, "training"),
        events.Series(START + 1, 0, "loss", SCRIPT),
        events.Model(START + 1, 0, "Net", parameters=rows),
        events.Optimizer(START + 1, 0, "AdamW", groups=[held], where=SCRIPT),
    ]


def _host_head() -> list[Any]:
    return [
        events.Hello(START, 1, "supervisor", 41, "node1"),
        events.Launch(START, 42, ["python", "train.py"]),
    ]


def _steps(first: int, steps: int, noise: random.Random) -> events.Steps:
    rows = range(first, first + BLOCK)
    norms: list[float | None] = [None] * BLOCK
    norms[0] = round(0.5 + noise.random(), 6)
    return events.Steps(
        t=START + 1 + (first + BLOCK) * DT, first=first,
        at=[round((row + 1) * DT, 6) for row in rows],
        dt=[round(DT + 1e-4 * noise.random(), 7) for _ in rows],
        wait=[round(1e-4 * noise.random(), 7) for _ in rows],
        lr=[3e-4 * 0.5 * (1 + math.cos(math.pi * row / steps)) for row in rows],
        micro=[1], samples=[32], loss={"0": [loss_at(row, steps, noise) for row in rows]}, grad_norm=norms,
    )  # fmt: skip


def _gradients(t: float, step: int, noise: random.Random) -> events.Gradients:
    size = len(PARAMETERS)

    def column() -> list[float | None]:
        return [noise.random() for _ in range(size)]

    return events.Gradients(
        t, step, 0, list(range(size)), column(), column(), [0.0] * size, [0] * size, column(), column(), 1.0
    )


def _second(first: int, printed: int) -> list[Any]:
    t = START + 1 + (first + BLOCK) * DT
    gpu = events.Gpu("GPU-0000", "H200", 139 << 30, 41 << 30, 40 << 30, 0.87)
    process = events.ProcessRow(42, "python", 0.98, 2 << 30, 24)
    return [
        events.Host(t, 0.4, 16, 40 << 30, 128 << 30, 1.2, 1 << 38, 1e5, 1e4, [process], [gpu]),
        events.Output(t, printed),
    ]


if __name__ == "__main__":
    import sys

    print(json.dumps(str(write_run(Path(sys.argv[1]), int(sys.argv[2])))))
