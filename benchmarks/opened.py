"""Opens a replay on a pseudo-terminal and watches what is painted."""

from __future__ import annotations

import contextlib
import os
import select
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

import psutil
import pyte
from screen import COLUMNS, LINES, _own_terminal, cpu, terminal

DEADLINE = 600.0  # seconds
READING = "read)"  # the timeline says how much of the run was read, as long as it is not all
PLAYING = "playing"
SURE = 0.5  # seconds: what was painted may still be on its way in part


@dataclass(frozen=True)
class Opened:
    """Seconds since Enter, and processor seconds of the process by then. peak: MiB that it held at most."""

    first_paint: float
    all_data: float
    first_cpu: float
    all_cpu: float
    peak: float


def open_replay(run: Path) -> Opened:
    """Start `dlmon replay` and leave when all is read. Raises TimeoutError."""
    environment = {**os.environ, "TERM": "xterm-256color", "COLORTERM": "truecolor"}
    with terminal() as (master, slave):
        began = perf_counter()
        process = subprocess.Popen(
            [sys.executable, "-m", "dlmon", "replay", str(run)],
            stdin=slave, stdout=slave, stderr=slave, env=environment, preexec_fn=_own_terminal,
        )  # fmt: skip
        try:
            return _watch(master, began, psutil.Process(process.pid))
        finally:
            process.kill()
            process.wait()


def _watch(master: int, began: float, process: psutil.Process) -> Opened:
    os.set_blocking(master, False)
    screen = pyte.Screen(COLUMNS, LINES)
    stream = pyte.ByteStream(screen)
    first: tuple[float, float] | None = None
    done: Opened | None = None
    while (now := perf_counter() - began) < DEADLINE:
        with contextlib.suppress(BlockingIOError):
            while True:
                stream.feed(os.read(master, 1 << 16))
        shown = "\n".join(screen.display)
        if PLAYING in shown and "step" in shown:
            spent = cpu(process)
            first = (now, spent) if first is None else first
            if READING in shown:
                done = None
            elif done is None:
                done = Opened(first[0], now, first[1], spent, peak_memory(process.pid))
            elif now - done.all_data > SURE:
                return done
        _wait(master)
    raise TimeoutError("\n".join(screen.display))


def _wait(master: int) -> None:
    select.select([master], [], [], 0.05)


def peak_memory(pid: int | str) -> float:
    """MiB that a process held at most (VmHWM)."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM"):
            return int(line.split()[1]) / 1024
    return float("nan")
