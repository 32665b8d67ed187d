"""How long a rehearsal takes, and how much of it is importing torch.

    python benchmarks/rehearsal.py [ROUNDS]

Review, smoke and overfit of the stripes CNN through `dlmon check`, beside what one would do without it: the same three
runs started by hand one after the other (`python -c "import torch"` three times, and the script cut to the same
steps). Medians; ratios are to the import alone. Writes benchmarks/results/rehearsal.md.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from machine import describe

REPOSITORY = Path(__file__).resolve().parents[1]
SCRIPT = REPOSITORY / "sample_tasks" / "stripes_cnn.py"
RESULT = REPOSITORY / "benchmarks" / "results" / "rehearsal.md"
STAGES = ("review", "smoke", "overfit")


def timed(command: list[str], cwd: str) -> tuple[float, str]:
    began = time.perf_counter()
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"})
    if done.returncode:
        raise SystemExit(f"{command}: exit code {done.returncode}\n{done.stderr}")
    return time.perf_counter() - began, done.stdout


def main() -> None:
    rounds = int(sys.argv[1]) if sys.argv[1:] else 7
    imports: list[float] = []
    totals: list[float] = []
    stages: dict[str, list[float]] = {stage: [] for stage in STAGES}
    check = [sys.executable, "-m", "dlmon", "check", "--json", "--stages", ",".join(STAGES), str(SCRIPT)]
    for _ in range(rounds):
        with tempfile.TemporaryDirectory() as folder:
            imports.append(timed([sys.executable, "-c", "import torch"], folder)[0])
            seconds, text = timed(check, folder)
        totals.append(seconds)
        for stage in json.loads(text)["stages"]:
            stages[stage["name"]].append(stage["seconds"])
    one = statistics.median(imports)
    lines = [
        "# How long a rehearsal takes",
        "",
        f"`python benchmarks/rehearsal.py {rounds}`: {describe('torch')}. Medians of {rounds} rounds.",
        "",
        "| what | seconds | × one import of torch |",
        "|---|---|---|",
        f"| `import torch` alone | {one:.2f} | 1.0 |",
        *(f"| {name} | {statistics.median(v):.2f} | {statistics.median(v) / one:.1f} |" for name, v in stages.items()),
        f"| `dlmon check` in all | {statistics.median(totals):.2f} | {statistics.median(totals) / one:.1f} |",
        "",
        "Torch is imported three times (smoke, its repeat, overfit), each in a process of its own; all but the first",
        "happen beside the stage before. Review runs beside the first.",
        "",
    ]
    RESULT.write_text("\n".join(lines))
    print("\n".join(lines))


if __name__ == "__main__":
    main()
