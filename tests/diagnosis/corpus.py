"""The corpus: scripts that say what is wrong with them, or that nothing is, and what dlmon said of them.

A script in broken/ carries comment lines that start at the margin:
    # finding: a.b|c.d     it must be given one of these ids
    # also: e.f|g.h        may be said beside it: true as well
    # stage: subset        the stages of `dlmon check` that see it (default: review, smoke, overfit)
    # live                 takes more steps than a stage gives: only a real run can see it
    # check                takes what only a stage does: a real run cannot see it
A script in healthy/ must hear no error and no warning, whatever it does.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Optional

REPOSITORY = Path(__file__).resolve().parents[2]
CORPUS = Path(__file__).resolve().parent
SAMPLES = REPOSITORY / "sample_tasks"
HINT = "hint"
DEADLINE = 240.0  # seconds for one script in one mode, on a machine that does other things, too
# What a broken training's loss does is true of it whatever breaks it: a consequence, no false alarm.
SYMPTOMS = {f"loss.{word}" for word in ("not_decreasing", "constant", "diverging", "oscillating", "spike")}
_HEADING = re.compile(r"^# (finding|also|stage|live|check)(?:: *(\S+))?\s*$", re.MULTILINE)
_RAISED = re.compile(r"^dlmon: (error|warning|hint) ([a-z_]+\.[a-z_]+): ")


@dataclass(frozen=True)
class Task:
    """A script of the corpus. expected: the ids of which one must be named; empty for a healthy one."""

    path: Path
    expected: frozenset[str] = frozenset()
    also: frozenset[str] = frozenset()
    stages: str = "review,smoke,overfit"
    live_only: bool = False
    check_only: bool = False

    @property
    def name(self) -> str:
        return self.path.stem

    @property
    def broken(self) -> bool:
        return bool(self.expected)

    @property
    def modes(self) -> tuple[str, ...]:
        """In which of "live" and "check" it can be seen."""
        return ("live",) if self.live_only else ("check",) if self.check_only else ("live", "check")


@dataclass(frozen=True)
class Said:
    """One finding: step is None where it belongs to none, seconds are from the start of the program or None."""

    id: str
    severity: str
    title: str
    step: Optional[int] = None
    line: Optional[int] = None
    seconds: Optional[float] = None

    @property
    def alarm(self) -> bool:
        return self.severity != HINT


@dataclass(frozen=True)
class Outcome:
    """What a task heard in one mode. failed: stages that failed; trouble: why there is no result, or empty."""

    said: tuple[Said, ...]
    failed: tuple[str, ...] = ()
    trouble: str = ""

    def named(self, task: Task) -> Optional[Said]:
        return next((said for said in self.said if said.id in task.expected), None)

    def false(self, task: Task) -> tuple[Said, ...]:
        """Errors and warnings that the task does not deserve. What the review reads in a broken script's source is the
        same fault in other words (`review.no_zero_grad`): of the review only healthy scripts show what is false."""
        true = task.expected | task.also | (SYMPTOMS if task.broken else set())
        alarms = (said for said in self.said if said.alarm and said.id not in true)
        return tuple(said for said in alarms if not (task.broken and said.id.startswith("review.")))


def broken_tasks() -> list[Task]:
    folders = (CORPUS / "broken", SAMPLES / "broken")
    return [read_task(path) for folder in folders for path in sorted(folder.glob("*.py"))]


def healthy_tasks() -> list[Task]:
    samples = [path for path in sorted(SAMPLES.glob("*.py")) if "ranks" not in path.stem]
    return [Task(path) for path in [*sorted((CORPUS / "healthy").glob("*.py")), *samples]]


def read_task(path: Path) -> Task:
    """The task of a broken script. Raises ValueError where it does not say what is wrong with it."""
    told = dict(_HEADING.findall(path.read_text()))
    if not told.get("finding"):
        raise ValueError(f"{path.name} has no line '# finding: <id>'")
    return Task(
        path,
        expected=frozenset(told["finding"].split("|")),
        also=frozenset(told.get("also", "").split("|")) - {""},
        stages=told.get("stage", Task.stages),
        live_only="live" in told,
        check_only="check" in told,
    )


def run_live(task: Task, folder: Path) -> Outcome:
    """`dlmon --headless script`, as a user would run it, in `folder`."""
    command = [sys.executable, "-m", "dlmon", "--headless", str(task.path)]
    began = time.monotonic()
    first: dict[str, float] = {}
    process = subprocess.Popen(
        command, cwd=folder, env=environment(), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, text=True, errors="replace",
    )  # fmt: skip
    assert process.stdout is not None
    for line in process.stdout:
        raised = _RAISED.match(line)
        if raised:
            first.setdefault(raised[2], time.monotonic() - began)
        if time.monotonic() - began > DEADLINE:
            process.terminate()
    process.wait(timeout=DEADLINE)
    told = subprocess.run(
        [sys.executable, "-m", "dlmon", "findings", "last", "--json"],
        cwd=folder, env=environment(), capture_output=True, text=True, timeout=DEADLINE,
    )  # fmt: skip
    try:
        findings = json.loads(told.stdout)
    except ValueError:
        return Outcome((), trouble=(told.stderr or told.stdout or "no output").strip()[-300:])
    return Outcome(tuple(_said(finding, first.get(finding["id"])) for finding in findings))


def run_check(task: Task, folder: Path) -> Outcome:
    """`dlmon check script` with the stages that the task names, in `folder`."""
    command = [sys.executable, "-m", "dlmon", "check", "--json", "--stages", task.stages, str(task.path)]
    done = subprocess.run(
        command,
        cwd=folder,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=DEADLINE,
        stdin=subprocess.DEVNULL,
    )
    try:
        stages = json.loads(done.stdout)["stages"]
    except (ValueError, KeyError):
        return Outcome((), trouble=(done.stderr or "no output").strip()[-300:])
    failed = tuple(stage["name"] for stage in stages if stage["verdict"] == "fail")
    return Outcome(tuple(_said(f, None) for stage in stages for f in stage["findings"]), failed)


def environment() -> dict[str, str]:
    """This one, with the repository's own packages first and nothing that changes how dlmon runs."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("DLMON")}
    path = os.pathsep.join([str(REPOSITORY / "tui"), str(REPOSITORY / "probes"), kept.get("PYTHONPATH", "")])
    return {**kept, "PYTHONPATH": path.rstrip(os.pathsep), "OMP_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1"}


def _said(finding: dict[str, Any], seconds: Optional[float]) -> Said:
    where = finding.get("where") or {}
    return Said(finding["id"], finding["severity"], finding["title"], finding.get("step"), where.get("line"), seconds)
