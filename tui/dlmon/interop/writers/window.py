"""Parts of rows become whole rows, one for each step, in memory that does not grow with the run.

What belongs to one step arrives in different lines of the log, most of it within some hundred rows: those wait in a
window. The rest, such as a second run of a TensorBoard folder that begins at step 0 again, goes to a temporary file.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from heapq import merge
from itertools import groupby
from typing import NamedTuple

from dlmon.errors import UserError

WINDOW = 4096  # rows held back
LAST_STEP = (1 << 63) - 1  # beyond that no step is written: Parquet and TensorBoard have 64 bits


class TableRow(NamedTuple):
    """step: index from 0, as in the log. t: unix seconds of its end. values: by column, missing ones left out."""

    step: int
    t: float
    values: dict[str, float]


class Window:
    """Gives rows out by their step. A further number of the same column in a step replaces the one before."""

    def __init__(self) -> None:
        self.held: dict[int, TableRow] = {}
        self._done = -1  # all steps up to here were given out

    def takes(self, row: TableRow) -> bool:
        """Add what is known of a step, whose values it takes over; false where its row was given out already."""
        if row.step <= self._done:
            return False
        known = self.held.get(row.step)
        if known is None:
            self.held[row.step] = row
        else:
            known.values.update(row.values)
        return True

    @property
    def full(self) -> bool:
        """Twice as many wait as should."""
        return len(self.held) >= 2 * WINDOW

    def half(self) -> Iterator[TableRow]:
        yield from self._first(WINDOW)

    def rest(self) -> Iterator[TableRow]:
        yield from self._first(len(self.held))

    def _first(self, count: int) -> Iterator[TableRow]:
        for step in sorted(self.held)[:count]:
            self._done = step
            yield self.held.pop(step)


class Late:
    """What came too late for the window, kept in a file without a name that SQLite makes once it is much."""

    def __init__(self) -> None:
        """Raises UserError where this Python was built without SQLite."""
        try:
            import sqlite3
        except ImportError:
            raise UserError("this log goes back in its steps; to sort it, a Python with sqlite3 is needed") from None
        self._file = sqlite3.connect("", isolation_level=None)
        self._file.execute("PRAGMA journal_mode = OFF")
        self._file.execute("CREATE TABLE parts (step INTEGER, t REAL, numbers TEXT)")
        self._file.execute("BEGIN")

    def add(self, row: TableRow) -> None:
        self._file.execute("INSERT INTO parts VALUES (?, ?, ?)", (row.step, row.t, json.dumps(row.values)))

    def rows(self) -> Iterator[TableRow]:
        """One for each step, by step."""
        found = self._file.execute("SELECT step, t, numbers FROM parts ORDER BY step, rowid")
        for step, parts in groupby(found, key=lambda part: int(part[0])):
            t, values = 0.0, dict[str, float]()
            for number, (_, moment, numbers) in enumerate(parts):
                t = t if number else float(moment)
                values.update(json.loads(numbers))
            yield TableRow(step, t, values)


def joined(rows: Iterator[TableRow], late: Iterator[TableRow]) -> Iterator[TableRow]:
    """Both, each by step, as one row for each step. What is late replaces what was there."""
    whole: TableRow | None = None
    for row in merge(rows, late, key=lambda row: row.step):  # stable: of two with one step the late one comes second
        if whole is not None and whole.step == row.step:
            whole.values.update(row.values)
            continue
        if whole is not None:
            yield whole
        whole = row
    if whole is not None:
        yield whole
