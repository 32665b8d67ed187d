"""Run folders written event by event, as a supervisor and a training process would."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from dlmon.record.codec import encode_event
from dlmon.record.manifest import Manifest, Outcome, write_manifest
from dlmon_probes import events

START = 1_700_000_000.0
WHERE = events.Where("/home/me/train.py", 12, "", "loss.backward()")


def loss_at(step: int) -> float:
    return 0.1 + math.exp(-step / 50)


def steps_block(first: int, count: int, dt: float) -> events.Steps:
    """Steps first..first+count-1, each of `dt` seconds; step i ends (i + 1) · dt after the hello."""
    rows = range(first, first + count)
    return events.Steps(
        t=START + 1 + (first + count) * dt, first=first, at=[(row + 1) * dt for row in rows], dt=[dt] * count,
        wait=[0.1 * dt] * count, lr=[0.01] * count, micro=[1] * count, samples=[8] * count,
        loss={"0": [loss_at(row) for row in rows]}, grad_norm=[None] * count,
    )  # fmt: skip


def write(folder: Path, name: str, found: list[Any]) -> None:
    with (folder / name).open("ab") as file:
        for event in found:
            file.write(encode_event(event))


def training(folder: Path, *, steps: int = 200, block: int = 25, dt: float = 0.01, crashed: bool = False) -> Path:
    """A whole run: one process, `steps` steps in blocks, output growing with it, an exit."""
    folder.mkdir(parents=True, exist_ok=True)
    write_manifest(
        folder,
        Manifest(
            name=folder.name, command=["python", "train.py"], argv=["train.py"], created=START,
            outcome=Outcome(int(crashed), "", 4.0, START + 4),
        ),
    )  # fmt: skip
    rank: list[Any] = [
        events.Hello(START + 1, 1, "rank", 42, "node1"),
        events.Phase(START + 1, "training"),
        events.Series(START + 1, 0, "loss", WHERE),
    ]
    host: list[Any] = [
        events.Hello(START, 1, "supervisor", 41, "node1"),
        events.Launch(START, 42, ["python", "train.py"]),
    ]
    printed = b""
    for first in range(0, steps, block):
        made = steps_block(first, min(block, steps - first), dt)
        rank.append(made)
        printed += f"step {first + block}\r\n".encode()
        host.append(events.Output(made.t, len(printed)))
    end = START + 1 + steps * dt + 0.5
    if crashed:
        frame = events.Frame(WHERE, True)
        rank.append(events.Crash(end - 0.2, steps, "ValueError", "bad value", [frame]))
    host.append(events.Exit(end, int(crashed), end - START))
    write(folder, "rank0.jsonl", rank)
    write(folder, "host.jsonl", host)
    (folder / "output.log").write_bytes(printed)
    return folder
