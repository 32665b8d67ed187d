"""Precision and recall of the checks over the corpus. Writes results/diagnosis.md.

python benchmarks/diagnosis.py [-j N] [--live | --check] [--rivals PYTHON] [NAME…]

Runs every script of tests/diagnosis and sample_tasks under `dlmon --headless` and through `dlmon check`, and counts
what was named, missed and falsely said. With names (parts of them) only those run and nothing is written.
--rivals also runs torchfix and mldoct of that interpreter on the same files.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections import Counter, defaultdict
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(REPOSITORY))

from machine import describe  # noqa: E402
from rival_checkers import Rival, installed_rivals  # noqa: E402
from tests.diagnosis.corpus import Outcome, Task, broken_tasks, healthy_tasks, run_check, run_live  # noqa: E402

PAGE = REPOSITORY / "benchmarks" / "results" / "diagnosis.md"
MODES = {"live": run_live, "check": run_check}

HEAD = """# What is named, what is missed, what is said falsely

{broken} broken scripts that announce {ids} different findings and {healthy} healthy ones, all in
`tests/diagnosis` and `sample_tasks`. Made by `python benchmarks/diagnosis.py{options}` on {machine}.

*live* is `dlmon --headless script.py`, *check* is `dlmon check --stages review,smoke,overfit` (or the stages that a
script names); a broken script that needs more steps than a stage gives counts in *live* alone, one that takes what only
a stage does in *check* alone. A broken script is *named* when one of the ids that it announces is among the findings.
*False* is an error or a warning that a script does not announce (on a broken one, what the review reads in its source
is left out: it is the same fault in other words); on a healthy script that is any error or warning and, in *check*, any
failed stage.
"""


@dataclass(frozen=True)
class Result:
    """One script in one mode. seconds: of the whole run, including the start of Python and the import of torch."""

    task: Task
    mode: str
    outcome: Outcome
    seconds: float

    @property
    def wrong(self) -> bool:
        missed = self.task.broken and self.outcome.named(self.task) is None
        failed = not self.task.broken and bool(self.outcome.failed)
        return missed or failed or bool(self.outcome.false(self.task)) or bool(self.outcome.trouble)


def measure(task: Task, mode: str) -> Result:
    with tempfile.TemporaryDirectory() as folder:
        began = time.monotonic()
        outcome = MODES[mode](task, Path(folder))
        return Result(task, mode, outcome, time.monotonic() - began)


def line(result: Result) -> str:
    """One line for the terminal: what went wrong with a script, or that nothing did."""
    task, outcome = result.task, result.outcome
    words = []
    if outcome.trouble:
        words.append(f"no result: {outcome.trouble}")
    elif task.broken and outcome.named(task) is None:
        words.append("missed " + " or ".join(sorted(task.expected)))
    words += [f"false {said.severity} {said.id} ({said.title})" for said in outcome.false(task)]
    if not task.broken and outcome.failed:
        words.append("failed stage " + ", ".join(outcome.failed))
    return f"{'✗' if result.wrong else '✓'} {result.mode:5} {task.name}: {'; '.join(words) or 'as it should'}"


def table(head: list[str], rows: list[list[str]]) -> list[str]:
    cells = [[cell.replace("|", "\\|") for cell in row] for row in rows]
    return ["| " + " | ".join(row) + " |" for row in [head, ["---"] * len(head), *cells]]


def totals(results: list[Result]) -> list[str]:
    rows = []
    for mode in MODES:
        ours = [r for r in results if r.mode == mode]
        broken, healthy = [r for r in ours if r.task.broken], [r for r in ours if not r.task.broken]
        if not ours:
            continue
        named = [r for r in broken if r.outcome.named(r.task)]
        said = [s for r in ours for s in r.outcome.said if s.alarm]
        false = [s for r in ours for s in r.outcome.false(r.task)]
        quiet = [r for r in healthy if not r.wrong]
        rows.append([
            mode, f"{len(named)} of {len(broken)}", share(len(named), len(broken)),
            f"{len(quiet)} of {len(healthy)}", str(len(false)), share(len(said) - len(false), len(said)),
        ])  # fmt: skip
    return table(["mode", "named", "recall", "healthy left in peace", "false alarms", "precision"], rows)


def share(part: int, whole: int) -> str:
    return f"{part / whole:.2f}" if whole else "·"


def by_check(results: list[Result]) -> list[str]:
    """One row per id: scripts that announce it, whether they were named, how soon."""
    scripts: dict[str, set[str]] = defaultdict(set)
    named: Counter[tuple[str, str]] = Counter()
    asked: Counter[tuple[str, str]] = Counter()
    false: Counter[str] = Counter()
    steps: dict[str, list[int]] = defaultdict(list)
    seconds: dict[str, list[float]] = defaultdict(list)
    for result in results:
        false.update(said.id for said in result.outcome.false(result.task))
        if not result.task.broken:
            continue
        hit = result.outcome.named(result.task)
        # A script with several acceptable ids counts for the one that was said, or for its first one.
        id = hit.id if hit else first_id(result.task)
        scripts[id].add(result.task.name)
        asked[id, result.mode] += 1
        named[id, result.mode] += hit is not None
        if hit and hit.step is not None:
            steps[id].append(hit.step)
        if hit and hit.seconds is not None:
            seconds[id].append(hit.seconds)
    rows = [
        [
            f"`{id}`", str(len(scripts[id])), *(cell(named[id, mode], asked[id, mode]) for mode in MODES),
            str(false[id] or "·"), worst(steps[id], "{:d}"), worst(seconds[id], "{:.1f} s"),
        ]
        for id in sorted(scripts.keys() | false.keys())
    ]  # fmt: skip
    return table(["finding", "scripts", "live", "check", "false", "latest at step", "latest after"], rows)


def first_id(task: Task) -> str:
    """The announced id that the file is named for, or else the first in the alphabet."""
    return next((id for id in task.expected if task.name.startswith(id.replace(".", "_"))), min(task.expected))


def cell(named: int, asked: int) -> str:
    return f"{named}/{asked}" if asked else "·"


def worst(values: list[int] | list[float], form: str) -> str:
    return form.format(max(values)) if values else "·"


def rivals_table(rivals: list[Rival], tasks: list[Task]) -> list[str]:
    rows = []
    for rival in rivals:
        broken = [rival.said(task.path) for task in tasks if task.broken]
        healthy = [rival.said(task.path) for task in tasks if not task.broken]
        words = Counter(word for said in broken + healthy for word in said)
        rows.append([
            rival.title, f"{sum(map(bool, broken))} of {len(broken)}", f"{sum(map(bool, healthy))} of {len(healthy)}",
            ", ".join(f"{word} ({count})" for word, count in words.most_common(6)),
        ])  # fmt: skip
    return table(["tool", "broken scripts with a remark", "healthy ones with a remark", "what it says most"], rows)


def page(results: list[Result], rivals: list[Rival], tasks: list[Task], options: str) -> str:
    broken = [task for task in tasks if task.broken]
    head = HEAD.format(
        broken=len(broken), ids=len({id for task in broken for id in task.expected}),
        healthy=len(tasks) - len(broken), options=options, machine=describe("torch"),
    )  # fmt: skip
    wrong = [f"- {line(result)}" for result in results if result.wrong]
    parts = [head, "## Totals", "", *totals(results), "", "## By finding", "", *by_check(results), ""]
    parts += ["## Where it was wrong", "", *(wrong or ["Nowhere."]), ""]
    if rivals:
        parts += ["## Others on the same files", "", *rivals_table(rivals, tasks), "", RIVALS, ""]
    return "\n".join(parts)


RIVALS = """Only tools that take a script as it stands can be measured here. torch-audit 0.3.0
(`autopatch(model, optimizer)`) and torchtest2 0.1.0 (calls with the model, the loss and a batch) are called from
within the training and need every script to be edited; no number is given for them. torchfix (its default rules) and
mldoct's linter read the source text. "Says anything" is generous to them: it asks neither whether what is said is what
is wrong nor how grave it is."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-j", type=int, default=1, help="runs at the same time (default: 1)")
    parser.add_argument("--live", action="store_true", help="only live runs")
    parser.add_argument("--check", action="store_true", help="only `dlmon check`")
    parser.add_argument("--rivals", metavar="PYTHON", help="an interpreter that has torchfix and mldoct")
    parser.add_argument("names", nargs="*")
    args = parser.parse_args()
    tasks = [*broken_tasks(), *healthy_tasks()]
    if args.names:
        tasks = [task for task in tasks if any(name in task.name for name in args.names)]
    modes = [mode for mode in MODES if getattr(args, mode) or not (args.live or args.check)]
    wanted = [(task, mode) for task in tasks for mode in modes if mode in task.modes]
    results = []
    with ThreadPoolExecutor(args.j) as pool:
        for result in pool.map(lambda pair: measure(*pair), wanted):
            print(line(result), flush=True)
            results.append(result)
    print("\n".join(["", *totals(results)]))
    if not args.names and len(modes) == len(MODES):
        rivals = installed_rivals(args.rivals) if args.rivals else []
        PAGE.write_text(page(results, rivals, tasks, " --rivals PYTHON" if rivals else ""))
        print(f"written: {PAGE.relative_to(REPOSITORY)}")


if __name__ == "__main__":
    main()
