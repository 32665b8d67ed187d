"""The sample tasks through `dlmon check`: which stage sees what. Writes docs/verdicts.md.

python benchmarks/verdicts.py [NAME…]      names of sample tasks; all without any
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from machine import describe

REPOSITORY = Path(__file__).resolve().parents[1]
SAMPLES = REPOSITORY / "sample_tasks"
PAGE = REPOSITORY / "docs" / "verdicts.md"
STAGES = ("review", "smoke", "engine", "overfit", "subset")

HEAD = """# What the stages say of the sample tasks

Each task went through `dlmon check --stages {stages}`; after a failure the dearer stages are passed by. Made by
`python benchmarks/verdicts.py` on {machine}.

`·` was passed by. The broken tasks are what their names say; the healthy ones must pass, or say why they cannot be
judged.
"""


@dataclass(frozen=True)
class Task:
    """A sample task and its command line."""

    name: str
    command: tuple[str, ...]
    broken: bool


def tasks() -> list[Task]:
    found = [Task(path.stem, (str(path),), False) for path in sorted(SAMPLES.glob("*.py")) if "ranks" not in path.stem]
    ranks = ("torchrun", "--nproc-per-node", "2", "--rdzv-backend", "c10d", "--rdzv-endpoint", "localhost:0",
             str(SAMPLES / "ddp_two_ranks.py"))  # fmt: skip
    found.append(Task("ddp_two_ranks", ranks, False))
    return found + [Task(path.stem, (str(path),), True) for path in sorted((SAMPLES / "broken").glob("*.py"))]


def rehearse(task: Task) -> dict[str, Any]:
    """The result of `dlmon check --json`."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "dlmon", "check", "--json", "--stages", ",".join(STAGES), *task.command]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
        try:
            result: dict[str, Any] = json.loads(done.stdout)
        except ValueError:
            raise SystemExit(f"{task.name}: no verdict (exit code {done.returncode})\n{done.stderr}") from None
        return result


def row(task: Task, result: dict[str, Any]) -> str:
    stages = {stage["name"]: stage for stage in result["stages"]}
    words = [_word(stages.get(name)) for name in STAGES]
    decisive = next((stage for stage in result["stages"] if stage["verdict"] == "fail"), None)
    if decisive is None:
        unsure = [stage for stage in result["stages"] if stage["verdict"] == "inconclusive"]
        says = "; ".join(f"{stage['name']}: {stage['summary']}" for stage in unsure)
    else:
        says = decisive["summary"]
        serious = [finding for finding in decisive["findings"] if finding["severity"] != "hint"]
        if serious:
            first = serious[0]
            where = f" (line {first['where']['line']})" if first["where"] else ""
            says = f"`{first['id']}`{where}: {first['title']}"
    cells = [f"`{task.name}`", *words, says.replace("|", "\\|")]
    return "| " + " | ".join(cells) + " |"


def _word(stage: dict[str, Any] | None) -> str:
    return "·" if stage is None or stage["verdict"] == "skipped" else str(stage["verdict"])


def main() -> None:
    wanted = sys.argv[1:]
    rows: dict[bool, list[str]] = {False: [], True: []}
    for task in tasks():
        if wanted and task.name not in wanted:
            continue
        line = row(task, rehearse(task))
        print(line, flush=True)
        rows[task.broken].append(line)
    if wanted:
        return
    columns = ["task", *STAGES, "what was said"]
    head = ["| " + " | ".join(columns) + " |", "|" + "---|" * len(columns)]
    page = HEAD.format(stages=",".join(STAGES), machine=describe("torch"))
    PAGE.write_text(
        "\n".join([page, "## Healthy", "", *head, *rows[False], "", "## Broken", "", *head, *rows[True], ""])
    )
    print(f"written: {PAGE.relative_to(REPOSITORY)}")


if __name__ == "__main__":
    main()
