"""What dlmon costs a training, beside other ways to watch gradients.

    python benchmarks/overhead.py            # about 15 minutes; writes benchmarks/results/overhead.md
    python benchmarks/overhead.py --quick    # about 2 minutes, wider spread, prints only

Blocks of steps with and without the probes alternate inside one process, and the ratio is taken pair by pair, so that a
machine that gets slower or faster meanwhile cancels out. Each loop and number of threads has
a fresh process. Beside wall time stands the process's CPU time (all its threads), which other programs' load disturbs
less. Run it on a quiet machine all the same.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from time import perf_counter, process_time
from typing import Any

from machine import describe

RESULTS = Path(__file__).parent / "results" / "overhead.md"
LOOPS = ("0.3 ms", "1 ms", "10 ms", "30 ms")
BUDGET = 0.01
Block = tuple[Callable[[], object], Callable[[], object], Callable[[], object], Callable[[], object]]
Row = dict[str, Any]  # loop, threads, ms, ratios: name → wall | cpu → Spread, account


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure the probes' overhead.")
    parser.add_argument("--quick", action="store_true", help="fewer blocks; print, write no file")
    parser.add_argument("--threads", type=int, nargs="*", default=[1, 2])
    parser.add_argument("--loops", nargs="*", choices=LOOPS, default=list(LOOPS))
    parser.add_argument("--one", nargs=3, metavar=("LOOP", "PAIRS", "SECONDS"), help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.one:
        print(json.dumps(measure_all(args.one[0], int(args.one[1]), float(args.one[2]))))
        return
    pairs, seconds = (8, 0.5) if args.quick else (40, 0.5)
    rows = []
    for threads in args.threads:
        for loop in args.loops:
            rows.append({**in_new_process(loop, threads, pairs, seconds), "threads": threads})
            print(table(rows[-1:], header=len(rows) == 1), flush=True)
    if not args.quick:
        RESULTS.parent.mkdir(exist_ok=True)
        RESULTS.write_text(report(rows, pairs, seconds))
        print(f"written: {RESULTS.name}")


def in_new_process(loop: str, threads: int, pairs: int, seconds: float) -> Row:
    """One loop in a process of its own, so that thread counts and allocators start afresh."""
    command = [sys.executable, __file__, "--one", loop, str(pairs), str(seconds)]
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads)}
    output = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True).stdout
    result: Row = json.loads(output.splitlines()[-1])
    return result


def measure_all(loop: str, pairs: int, seconds: float) -> Row:
    """Ratios of one loop: with dlmon, and with each rival that is installed."""
    import torch
    from attach import Probes
    from rivals import available
    from workloads import WORKLOADS

    torch.manual_seed(0)
    workload = WORKLOADS[loop]()
    step_seconds = _warm_up(workload.step)
    plain: Block = (_nothing, workload.step, _nothing, _nothing)
    ratios: dict[str, dict[str, Spread]] = {}
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as scratch:
        run = Path(scratch) / "run"
        run.mkdir(mode=0o700)
        probes = Probes(str(run), BUDGET)
        for _ in range(100):  # early steps are looked at in full: start-up, not running cost
            workload.step()
        probes.take_off()
        ratios["dlmon"] = compare(
            plain,
            (probes.put_on, workload.step, probes.flush, probes.take_off),
            pairs, seconds,
        )  # fmt: skip
        account = probes.own_account
        for name, make in available().items():
            rival = make(workload, scratch)
            watched = _followed_by(workload.step, rival.watch)
            block: Block = (rival.before, watched, _nothing, rival.after)
            ratios[name] = compare(plain, block, max(4, pairs // 4), seconds)
    return {"loop": workload.describe, "ms": step_seconds * 1e3, "ratios": ratios, "account": account}


Spread = dict[str, float]  # low, median, high: quartiles of a ratio


def compare(plain: Block, other: Block, pairs: int, seconds: float) -> dict[str, Spread]:
    """Over pairs of blocks: (time per step of `other`) / (of `plain`), by wall clock and by CPU time."""
    wall, cpu = [], []
    for pair in range(pairs):
        first, second = (plain, other) if pair % 2 else (other, plain)
        times = {id(block): time_block(block, seconds) for block in (first, second)}
        wall.append(times[id(other)][0] / times[id(plain)][0])
        cpu.append(times[id(other)][1] / times[id(plain)][1])
    return {"wall": spread(wall), "cpu": spread(cpu)}


def spread(ratios: list[float]) -> Spread:
    low, middle, high = statistics.quantiles(ratios, n=4)
    return {"low": low, "median": middle, "high": high}


def time_block(block: Block, seconds: float) -> tuple[float, float]:
    """Wall and CPU seconds per step over a block of about `seconds`. Writing the log out at its end is part of it.

    Putting the probes on and taking them off is not, nor are the steps right after: changing a class makes the
    interpreter forget what it had learned about its methods.
    """
    before, step, write, after = block
    before()
    for _ in range(5):
        step()
    steps, began, cpu = 0, perf_counter(), process_time()
    while steps < 5 or perf_counter() - began < seconds:
        step()
        steps += 1
    write()
    times = (perf_counter() - began) / steps, (process_time() - cpu) / steps
    after()
    return times


def _nothing() -> None:
    """Nothing to do before or after a block."""


def _followed_by(step: Callable[[], object], watch: Callable[[int], None]) -> Callable[[], None]:
    """A step, and then `watch` with the step's number."""
    numbers = itertools.count()

    def both() -> None:
        step()
        watch(next(numbers))

    return both


def _warm_up(step: Callable[[], object]) -> float:
    """Median seconds of a step, after the first ones."""
    times = []
    for _ in range(30):
        began = perf_counter()
        step()
        times.append(perf_counter() - began)
    return statistics.median(times[10:])


def table(rows: list[Row], *, header: bool) -> str:
    lines = []
    rivals = [name for name in rows[0]["ratios"] if name != "dlmon"]
    if header:
        names = ["loop", "threads", "step", *rivals, "dlmon", "dlmon, CPU time", "dlmon's own account"]
        lines += ["| " + " | ".join(names) + " |", "|---" * len(names) + "|"]
    for row in rows:
        ratios = row["ratios"]
        cells = [percent(ratios[name]["wall"]) for name in rivals]
        cells += [percent(ratios["dlmon"]["wall"]), percent(ratios["dlmon"]["cpu"]), f"{row['account'] * 100:+.1f} %"]
        lines.append(f"| {row['loop']} | {row['threads']} | {row['ms']:.3g} ms | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def percent(ratio: Spread) -> str:
    """`+0.8 % (0.3 to 1.5)`: the median and the quartiles of what is added to a step."""
    low, middle, high = ((ratio[key] - 1) * 100 for key in ("low", "median", "high"))
    return f"{middle:+.1f} % ({low:.1f} to {high:.1f})"


def report(rows: list[Row], pairs: int, seconds: float) -> str:
    return (
        "# Overhead\n\nTime added to a training step: median over pairs of blocks (quartiles).\n"
        f"{pairs} pairs of blocks of {seconds:g} s for dlmon (budget {BUDGET:.0%}), with and without in alternation\n"
        "inside one process. The log's writing is counted. The supervisor and a screen run in other processes:\n"
        "see screen.md.\n\n"
        f"{table(rows, header=True)}\n\nMachine: {describe('torch', 'tensorboard', 'wandb')}.\n"
        "Again: `python benchmarks/overhead.py`.\n"
    )


if __name__ == "__main__":
    main()
