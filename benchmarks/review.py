"""How long `dlmon review` takes on a project of 2,000 lines and on one of 20,000.

    python benchmarks/review.py [--rivals PYTHON] [ROUNDS]

The project is a script that imports copies of the healthy programs in tests/diagnosis, each a module of its own, until
the lines are there. --rivals: an interpreter with torchfix, which reads the same files. Whole processes, medians.
Writes benchmarks/results/review.md.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from itertools import cycle
from pathlib import Path

from machine import describe

REPOSITORY = Path(__file__).resolve().parents[1]
PROGRAMS = sorted((REPOSITORY / "tests" / "diagnosis" / "healthy").glob("*.py"))
RESULT = REPOSITORY / "benchmarks" / "results" / "review.md"
SIZES = (2_000, 20_000)


def project(folder: Path, lines: int) -> tuple[Path, int]:
    """A script and the modules that it imports; how many lines they are."""
    names, total = [], 0
    for program in cycle(PROGRAMS):
        if total >= lines:
            break
        source = program.read_text()
        names.append(f"part_{len(names)}")
        (folder / f"{names[-1]}.py").write_text(source)
        total += source.count("\n")
    main = folder / "train.py"
    main.write_text("".join(f"import {name}\n" for name in names))
    return main, total + len(names)


def seconds(command: list[str], folder: Path, rounds: int) -> float:
    taken = []
    for _ in range(rounds):
        began = time.perf_counter()
        subprocess.run(command, cwd=folder, capture_output=True)
        taken.append(time.perf_counter() - began)
    return statistics.median(taken)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rivals", metavar="PYTHON", help="an interpreter that has torchfix")
    parser.add_argument("rounds", nargs="?", type=int, default=7)
    options = parser.parse_args()
    rows = []
    for size in SIZES:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            script, lines = project(folder, size)
            own = seconds([sys.executable, "-m", "dlmon", "review", script.name], folder, options.rounds)
            rows.append(f"| `dlmon review` | {lines:,} | {own:.2f} | 1.0 |")
            if options.rivals:
                other = seconds([options.rivals, "-m", "torchfix", "."], folder, options.rounds)
                rows.append(f"| torchfix | {lines:,} | {other:.2f} | {other / own:.1f} |")
    page = [
        "# How long the review takes",
        "",
        f"`python benchmarks/review.py`: {describe()}. Whole processes, medians of {options.rounds}.",
        "",
        "| reader | lines | seconds | × dlmon |",
        "|---|---|---|---|",
        *rows,
        "",
    ]
    RESULT.write_text("\n".join(page))
    print("\n".join(page))


if __name__ == "__main__":
    main()
