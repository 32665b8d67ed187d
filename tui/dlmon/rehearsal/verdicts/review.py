"""The verdict of the first stage: what the source tells before anything runs."""

from __future__ import annotations

import time
from pathlib import Path

from dlmon import text
from dlmon.checks.finding import ERROR, SEVERITIES, WARNING, Finding
from dlmon.errors import UserError
from dlmon.rehearsal.report import FAIL, INCONCLUSIVE, PASS, UNKNOWN, Item, StageReport
from dlmon.review import render
from dlmon.review.read import Review
from dlmon.review.read import review as read

NAME = "review"


def judge(script: Path | None, cwd: Path) -> StageReport:
    """Read the script. Fails only where an error was found, a fault that is certain from the text; inconclusive only
    where there is no Python source."""
    began = time.perf_counter()
    if script is None or script.suffix not in (".py", ".pyw"):
        return StageReport(
            NAME, INCONCLUSIVE, "the command names no Python file that could be read",
            next_step="Go on; to have the source read, name the script: dlmon review train.py",
        )  # fmt: skip
    try:
        found = read(cwd / script, cwd)
    except UserError as error:
        return StageReport(
            NAME, FAIL, str(error), time.perf_counter() - began, [Item("source", FAIL, str(error))],
            next_step="Correct the line; nothing can run before that.",
        )  # fmt: skip
    return StageReport(
        NAME, FAIL if found.count(ERROR) else PASS, render.summary(found), time.perf_counter() - began,
        _items(found), found.findings, _next(found), _evidence(found),
    )  # fmt: skip


def _items(found: Review) -> list[Item]:
    amount = f"{text.plural(found.files, 'file')}, {text.plural(found.lines, 'line')}"
    items = [Item("read", PASS, amount)]
    for severity in SEVERITIES:
        count = found.count(severity)
        verdict = FAIL if count and severity == ERROR else PASS
        places = ", ".join(render.place(f) for f in found.findings if f.severity == severity)
        items.append(Item(f"{severity}s", verdict, f"{count}: {places}" if count else "none"))
    if found.unread:
        items.append(Item("not read", UNKNOWN, f"not valid Python: {', '.join(found.unread)}"))
    return items


def _next(found: Review) -> str:
    worst = _worst(found)
    if worst is None:
        return "Nothing to do; go on."
    where = render.place(worst)
    if worst.severity == ERROR:
        return f"Correct {where}: {worst.advice}"
    if worst.severity == WARNING:
        return f"Look at {where} before you go on: {worst.advice}"
    return f"Go on; when there is time, look at {where}: {worst.advice}"


def _worst(found: Review) -> Finding | None:
    return min(found.findings, key=lambda finding: SEVERITIES.index(finding.severity), default=None)


def _evidence(found: Review) -> dict[str, object]:
    counts = {severity: found.count(severity) for severity in SEVERITIES}
    return {
        "files": found.files,
        "lines": found.lines,
        "silenced": found.silenced,
        "unread": list(found.unread),
    } | counts
