"""Opening long runs: time to the first paint and to all data, seeking, memory, and how fast a replay prints.

    python benchmarks/open.py                       # 1 M and 10 M steps; 3 GB of disk, about 4 minutes
    python benchmarks/open.py --steps 100000        # a smaller one

Builds finished runs with 20 series (`long_run.py`), opens them with `dlmon replay` on a pseudo-terminal of 160×48, and
reads the series with TensorBoard's own reader out of an event file that TensorBoard's own writer made, in which each
value of the run's series is once.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

import psutil
from long_run import write_run
from machine import describe
from opened import Opened, open_replay

RESULTS = Path(__file__).parent / "results" / "open.md"
SEEKS = 25
FEW_STARTS_ABOVE = 1_000_000  # steps: longer runs are opened once
HERE = Path(__file__).resolve().parent


@dataclass(frozen=True)
class Measured:
    """A run. steps; log: bytes; opened: each start; seeks: seconds; text, lines: seconds of a headless replay."""

    steps: int
    log: int
    opened: list[Opened]
    seeks: list[float]
    text: float | None
    lines: float


def main() -> None:
    if sys.argv[1:2] == ["--seek"]:
        print(json.dumps(seek_times(Path(sys.argv[2]))))
        return
    parser = argparse.ArgumentParser(description="Measure how long runs open.")
    parser.add_argument("--steps", type=int, nargs="*", default=[1_000_000, 10_000_000])
    parser.add_argument("--starts", type=int, default=3)
    parser.add_argument("--tensorboard", type=int, default=1_000_000, help="up to how many steps TensorBoard reads too")
    parser.add_argument("--text", type=int, default=1_000_000, help="up to how many steps a replay prints its lines")
    parser.add_argument("--print-only", action="store_true")
    args = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="dlmon-open-"))
    try:
        measured = []
        rival: dict[int, tuple[float, float, int]] = {}
        for steps in args.steps:
            run = write_run(folder / f"run{steps}", steps)
            measured.append(
                measure(run, steps, args.starts if steps <= FEW_STARTS_ABOVE else 1, with_text=steps <= args.text)
            )
            print(measured[-1], file=sys.stderr)
            if steps <= args.tensorboard:
                rival[steps] = tensorboard(run, folder / f"events{steps}")
            shutil.rmtree(run)
        text = report(measured, rival)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    print(text)
    if not args.print_only:
        RESULTS.parent.mkdir(exist_ok=True)
        RESULTS.write_text(text)


def measure(run: Path, steps: int, starts: int, *, with_text: bool) -> Measured:
    log = sum(path.stat().st_size for path in run.glob("*.jsonl"))
    opened = [open_replay(run) for _ in range(starts)]
    seeks = json.loads(subprocess.check_output([sys.executable, __file__, "--seek", str(run)]))
    return Measured(steps, log, opened, seeks, headless(run) if with_text else None, headless(run, "--json"))


def seek_times(run: Path) -> list[float]:
    """Seconds for each of some seeks to moments that lie anywhere, each from the last one's place."""
    from dlmon.app.recording import Recording

    recording = Recording(run)
    while recording.load() < 1:
        pass
    dice = random.Random(1)
    times = []
    for _ in range(SEEKS):
        second = dice.uniform(0, recording.length)
        began = perf_counter()
        recording.seek(second)
        times.append(perf_counter() - began)
    return times


def headless(run: Path, *options: str) -> float:
    """Seconds of a replay into the void."""
    began = perf_counter()
    command = [sys.executable, "-m", "dlmon", "replay", "--headless", *options, str(run)]
    subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True)
    return perf_counter() - began


def tensorboard(run: Path, folder: Path) -> tuple[float, float, int]:
    """Seconds and peak MiB of reading the same series, and how many points there are in all."""
    script = str(HERE / "tensorboard_reader.py")
    points = int(subprocess.check_output([sys.executable, script, "write", str(run), str(folder)]))
    process = psutil.Popen([sys.executable, script, "read", str(folder)], stdout=subprocess.PIPE)
    seconds, peak = json.loads(process.communicate()[0])
    return seconds, peak, points


def report(measured: list[Measured], rival: dict[int, tuple[float, float, int]]) -> str:
    def row(name: str, cells: list[str]) -> str:
        return f"| {name} | {' | '.join(cells)} |\n"

    def opened(wall: str, processor: str) -> list[str]:
        return [f"{median(m, wall):.2f} s ({median(m, processor):.2f} s)" for m in measured]

    seeks = [sorted(m.seeks) for m in measured]
    text = (
        "# Opening long runs\n\n"
        + row("", [f"{m.steps:,} steps, {m.log / 1e6:,.0f} MB of log" for m in measured])
        + "|---|" + "---|" * len(measured) + "\n"
        + row(f"Enter to first paint (median of {len(measured[0].opened)})", opened("first_paint", "first_cpu"))
        + row("Enter to the whole run read, any moment of it at hand", opened("all_data", "all_cpu"))
        + row("peak memory of the process", [f"{max(o.peak for o in m.opened):.0f} MiB" for m in measured])
        + row("seek, median", [f"{statistics.median(s) * 1000:.0f} ms" for s in seeks])
        + row("seek, worst", [f"{s[-1] * 1000:.0f} ms" for s in seeks])
        + row("headless replay, as JSON lines", [_pace(m.log, m.lines) for m in measured])
        + row("headless replay, as text", [_pace(m.log, m.text) for m in measured])
    )  # fmt: skip
    if rival:

        def cells(pick: int) -> list[str]:
            return [_rival(rival.get(m.steps), pick, m) for m in measured]

        text += row("TensorBoard's EventAccumulator, the same series", cells(0))
        text += row("its peak memory", cells(1))
    steps = next(iter(rival), None)
    points = f" The event file has {rival[steps][2]:,} points for {steps:,} steps." if steps else ""
    about = (
        "In brackets: processor seconds of the process. The run: 200 steps/s; loss, learning rate, step time and "
        "waiting of each step, 14 logged scalars every 50 steps, evaluations, gradients, a bar, the machine, output."
        f"{points} EventAccumulator keeps all points here (`size_guidance` 0; by itself it keeps 10,000 of each). "
        "W&B LEET was not measured: wandb is not among what is installed for the benchmarks."
    )
    machine = f"Machine: {describe('msgspec', 'textual', 'tensorboard')}; load {os.getloadavg()[1]:.1f} over 5 minutes."
    return f"{text}\n{about}\n\n{machine}\nAgain: `python benchmarks/open.py`.\n"


def median(measured: Measured, name: str) -> float:
    return statistics.median(getattr(one, name) for one in measured.opened)


def _pace(size: int, seconds: float | None) -> str:
    if seconds is None:
        return "not measured"
    return f"{seconds:.1f} s, {size / 1e6 / seconds:.0f} MB/s"


def _rival(found: tuple[float, float, int] | None, pick: int, mine: Measured) -> str:
    if found is None:
        return "not measured"
    if pick:
        return f"{found[1]:.0f} MiB"
    return f"{found[0]:.1f} s (×{found[0] / median(mine, 'all_data'):.1f})"


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    main()
