"""`dlmon ls` and `dlmon prune` without a screen: tables."""

from __future__ import annotations

from collections.abc import Sequence

from dlmon import text
from dlmon.catalogue.prune import Candidate
from dlmon.catalogue.rows import Row

LONGEST_NOTE = 40
_HEADS = ("run", "state", "steps", "loss", "time", "exit", "size", "tags", "note")
_RIGHT = (False, False, True, True, True, True, True, False, False)


def cells_of(row: Row) -> tuple[str, ...]:
    """What a row shows, in the order of the table."""
    return (
        text.clean(row.name),
        row.state,
        text.count(row.steps),
        text.number(row.loss),
        text.duration(row.seconds),
        text.MISSING if row.exit_code is None else str(row.exit_code),
        text.size(row.size),
        " ".join(map(text.clean, row.tags)),
        note_of(row),
    )


def note_of(row: Row) -> str:
    """Why it is damaged, before what a person noted."""
    note = text.clean("; ".join(part for part in (row.trouble, row.note) if part))
    return note if len(note) <= LONGEST_NOTE else note[: LONGEST_NOTE - 1] + "…"


def table(rows: Sequence[Row]) -> list[str]:
    """Aligned lines with a heading. Tags and notes have a column only where there are any."""
    cells = [_HEADS, *(cells_of(row) for row in rows)]
    columns = [at for at in range(len(_HEADS)) if at < 7 or any(line[at] for line in cells[1:])]
    return _aligned([[line[at] for at in columns] for line in cells], [_RIGHT[at] for at in columns])


def prune_table(candidates: Sequence[Candidate]) -> list[str]:
    """What would go: name, state, age is in the name, size."""
    rows = [["run", "state", "steps", "time", "size"]]
    for candidate in candidates:
        row = candidate.row
        rows.append(
            [
                text.clean(row.name), row.state, text.count(row.steps), text.duration(row.seconds),
                text.size(candidate.size),
            ]
        )  # fmt: skip
    return _aligned(rows, [False, False, True, True, True])


def spared_lines(candidates: Sequence[Candidate]) -> list[str]:
    """What stays although it was meant, with the reason."""
    return [f"{text.clean(one.row.name)} stays: {text.clean(one.spared)}" for one in candidates]


def foreign_lines(candidates: Sequence[Candidate], *, removed: bool) -> list[str]:
    """What goes with the runs that were named, although dlmon did not write it."""
    verb = "went" if removed else "would go"
    return [f"{text.clean(one.row.name)}: with it {verb} {one.foreign}" for one in candidates if one.foreign.count]


def _aligned(rows: Sequence[Sequence[str]], right: Sequence[bool]) -> list[str]:
    widths = [max(len(row[at]) for row in rows) for at in range(len(right))]
    return [
        "  ".join(
            cell.rjust(width) if to_right else cell.ljust(width)
            for cell, width, to_right in zip(row, widths, right, strict=True)
        ).rstrip()
        for row in rows
    ]
