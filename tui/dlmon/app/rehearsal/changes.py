"""What changed in the sources since a stage last ran: one line, and the whole diff. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import PurePosixPath

from dlmon.app.lines import Line, cut, line
from dlmon.text import clean, plural

MOST_FILES = 3
MOST_LINES = 5_000  # of a diff that is shown

_SIDE = re.compile(r" \((before|now)\)$")  # how the two sides of a file are told apart
_HUNK = re.compile(r"@@ -\d+(?:,(\d+))? \+\d+(?:,(\d+))? @@")


def changed_lines(diff: str) -> str:
    """`train.py: 3 lines changed, model.py: 1 line changed` of a unified diff; "" where nothing changed.

    A line that was replaced counts once.
    """
    counts: dict[str, int] = {}
    for name, amount in _blocks(diff):
        counts[name] = counts.get(name, 0) + amount
    told = [f"{name}: {plural(amount, 'line')} changed" for name, amount in counts.items()]
    if len(told) > MOST_FILES:
        told = [*told[: MOST_FILES - 1], f"{len(told) - MOST_FILES + 1} more files"]
    return ", ".join(told)


def _blocks(diff: str) -> Iterator[tuple[str, int]]:
    """(file, lines) of each block of lines that changed together. How long a hunk is stands in its head: a removed
    line may itself look like the head of a file."""
    name, old, new, minus, plus = "", 0, 0, 0, 0
    for row in [*diff.splitlines(), ""]:
        if row.startswith("-") and old > 0:
            old, minus = old - 1, minus + 1
            continue
        if row.startswith("+") and new > 0:
            new, plus = new - 1, plus + 1
            continue
        if row.startswith("\\"):  # no newline at the end of the file
            continue
        if minus or plus:
            yield name, max(minus, plus)
        minus = plus = 0
        hunk = _HUNK.match(row)
        if old > 0 or new > 0:
            old, new = old - 1, new - 1
        elif hunk:
            old, new = (1 if group is None else int(group) for group in hunk.groups())
        elif row.startswith(("--- ", "+++ ")) and row[4:].strip() != "/dev/null":
            name = clean(PurePosixPath(_SIDE.sub("", row[4:].partition("\t")[0].strip())).name)


def diff_lines(diff: str, room: int) -> list[Line]:
    """The diff, a row for each of its lines, cut at `room` cells; the first character says what a colour repeats."""
    rows = diff.splitlines()
    lines = [line((cut(row.expandtabs(4), room), _role(row))) for row in rows[:MOST_LINES]]
    if len(rows) > MOST_LINES:
        lines.append(line((f"{plural(len(rows) - MOST_LINES, 'line')} more", "dim")))
    return lines


def _role(row: str) -> str:
    if row.startswith(("--- ", "+++ ")):
        return "strong"
    return {"+": "good", "-": "bad", "@": "dim"}.get(row[:1], "text")
