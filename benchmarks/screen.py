"""What the screen costs: time to the first paint, CPU, bytes to the terminal.

    python benchmarks/screen.py              # about 1 minute; writes benchmarks/results/screen.md

Starts `dlmon` on a pseudo-terminal of 160×48 with a training of 10 steps per second, as a user would over SSH, and
looks at the processes from outside. CPU is a share of one core.
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import json
import os
import pty
import select
import signal
import statistics
import struct
import subprocess
import sys
import tempfile
import termios
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

import psutil
from machine import describe

RESULTS = Path(__file__).parent / "results" / "screen.md"
SCRIPT = Path(__file__).parent / "ten_steps.py"
COLUMNS, LINES = 160, 48
SETTLE = 12.0  # seconds: torch is imported, the first steps are over
FIRST_STEP = b"step 0 loss"  # the line that the script prints then, in the output panel


@dataclass(frozen=True)
class Watched:
    """One start of dlmon. Times in seconds since Enter; CPU as a share of one core; bytes per second."""

    first_byte: float
    first_paint: float
    first_step: float
    screen_cpu: float
    supervisor_cpu: float
    bytes_per_second: float
    screen_memory: float  # MiB


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure the screen.")
    parser.add_argument("--seconds", type=float, default=20.0, help="how long to watch, after the start")
    parser.add_argument("--starts", type=int, default=5, help="how often to start, for the time to the first paint")
    parser.add_argument("--print-only", action="store_true")
    args = parser.parse_args()
    starts = [watch(seconds=0.0) for _ in range(args.starts - 1)]
    steady = watch(seconds=args.seconds)
    text = report([*starts, steady], steady, args.seconds)
    print(text)
    if not args.print_only:
        RESULTS.parent.mkdir(exist_ok=True)
        RESULTS.write_text(text)


def watch(seconds: float) -> Watched:
    """Start dlmon, wait for the first step, then look for `seconds`."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder, terminal() as (master, slave):
        command = [sys.executable, "-m", "dlmon", "--runs-dir", folder, str(SCRIPT), str(SETTLE + seconds + 60)]
        environment = {**os.environ, "TERM": "xterm-256color", "COLORTERM": "truecolor", "OMP_NUM_THREADS": "1"}
        began = perf_counter()
        process = subprocess.Popen(
            command, stdin=slave, stdout=slave, stderr=slave, env=environment, preexec_fn=_own_terminal
        )
        try:
            reader = Terminal(master, began)
            first_byte = reader.until(b"", 10)
            first_paint = reader.until(SCRIPT.stem.encode(), 10)
            first_step = reader.until(FIRST_STEP, 60)
            supervisor = psutil.Process(manifest(Path(folder))["supervisor_pid"])
            screen = psutil.Process(process.pid)
            if not seconds:
                return Watched(first_byte, first_paint, first_step, 0.0, 0.0, 0.0, 0.0)
            reader.drain(SETTLE)
            before = (cpu(screen), cpu(supervisor), reader.received, perf_counter())
            reader.drain(seconds)
            spent = perf_counter() - before[3]
            return Watched(
                first_byte, first_paint, first_step,
                (cpu(screen) - before[0]) / spent, (cpu(supervisor) - before[1]) / spent,
                (reader.received - before[2]) / spent, screen.memory_info().rss / 2**20,
            )  # fmt: skip
        finally:
            stop(process, Path(folder))


class Terminal:
    """Reads what is painted."""

    def __init__(self, master: int, began: float) -> None:
        self._master, self._began = master, began
        self._seen = b""
        self.received = 0

    def until(self, text: bytes, deadline: float) -> float:
        """Seconds since the start until `text` was painted (b"": anything). Raises TimeoutError."""
        while not self._seen or text not in self._seen:
            if perf_counter() - self._began > deadline:
                raise TimeoutError(f"{text!r} was not painted within {deadline:g} s: {self._seen[-300:]!r}")
            self._read(0.05)
        return perf_counter() - self._began

    def drain(self, seconds: float) -> None:
        end = perf_counter() + seconds
        while (left := end - perf_counter()) > 0:
            self._read(left)

    def _read(self, wait: float) -> None:
        if select.select([self._master], [], [], wait)[0]:
            chunk = os.read(self._master, 1 << 16)
            self.received += len(chunk)
            self._seen = (self._seen + chunk)[-(1 << 18) :]


@contextlib.contextmanager
def terminal() -> Iterator[tuple[int, int]]:
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", LINES, COLUMNS, 0, 0))
    try:
        yield master, slave
    finally:
        os.close(master)
        os.close(slave)


def _own_terminal() -> None:
    os.setsid()
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


def cpu(process: psutil.Process) -> float:
    """CPU seconds of a process so far."""
    times = process.cpu_times()
    return float(times.user + times.system)


def manifest(runs: Path) -> dict[str, int]:
    found: dict[str, int] = json.loads(next(runs.glob("*/run.json")).read_text())
    return found


def stop(process: subprocess.Popen[bytes], runs: Path) -> None:
    """End the screen, then the training, and wait for the supervisor to write its last line."""
    process.kill()
    process.wait()
    with contextlib.suppress(StopIteration, ProcessLookupError, psutil.Error, KeyError, TypeError):
        run = manifest(runs)
        supervisor = psutil.Process(run["supervisor_pid"])
        os.kill(run["pid"], signal.SIGKILL)
        supervisor.wait(10)


def report(starts: list[Watched], steady: Watched, seconds: float) -> str:
    paint = [start.first_paint for start in starts]
    step = [start.first_step for start in starts]
    return (
        f"# Screen\n\nOn a pseudo-terminal of {COLUMNS}×{LINES}, training at 10 steps/s, watched for {seconds:g} s.\n\n"
        "| | measured |\n|---|---|\n"
        f"| Enter to first paint (median of {len(starts)}) | {statistics.median(paint):.2f} s |\n"
        f"| Enter to the first step on the screen | {statistics.median(step):.2f} s |\n"
        f"| screen, CPU of one core | {steady.screen_cpu:.1%} |\n"
        f"| screen, memory | {steady.screen_memory:.0f} MiB |\n"
        f"| supervisor, CPU of one core | {steady.supervisor_cpu:.1%} |\n"
        f"| to the terminal | {steady.bytes_per_second / 1024:.1f} KiB/s |\n\n"
        f"Machine: {describe('torch', 'textual')}.\nAgain: `python benchmarks/screen.py`.\n"
    )


if __name__ == "__main__":
    main()
