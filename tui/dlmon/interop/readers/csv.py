"""A CSV file with a heading: Lightning's `metrics.csv`, whose rows are sparse, and plain tables."""

from __future__ import annotations

import csv
import math
from collections.abc import Sequence
from pathlib import Path

from dlmon import text
from dlmon.errors import UserError
from dlmon.interop.lines import Lines
from dlmon.interop.readers.decimals import Decimals
from dlmon.interop.roles import EPOCH, STEP_COLUMNS, TIME_COLUMNS
from dlmon.interop.rows import Ended, Row, Steps

MOST_COLUMNS = 5000
MOST_SAID = 5  # notices about names
_LOOKED_AT = 1 << 16  # bytes from the beginning


class CsvReader:
    """Rows become rows; empty cells and text are left out. Without a step column rows are counted from 0.

    Of columns with one name the second is called `name_2`; one without a name `column 3`.
    """

    kind, source, counts_done = "CSV table", "csv", False
    ended: Ended | None = None

    def __init__(self, path: Path) -> None:
        """Raises UserError when the file has no heading, and OSError."""
        self.path = path
        self._skip = 0
        self._steps = Steps()
        self._decimals = Decimals()
        self._start()

    def _start(self) -> None:
        self._heading = heading(self.path)
        delimiter = _delimiter(self._heading)
        names = _cells(self._heading, delimiter)
        if not self._heading and not self.path.stat().st_size:
            raise UserError(f"{text.clean(str(self.path))} is empty: there is nothing to show yet")
        if len(names) > MOST_COLUMNS or all(not name.strip() or _number(name) is not None for name in names):
            raise UserError(
                f"{text.clean(str(self.path))}: the first line names no columns, so its numbers cannot be told apart"
            )
        self._delimiter = delimiter
        self._columns, self._renamed = _told_apart(names)
        lowered = [name.lower() for name in self._columns]
        self._step = next((lowered.index(name) for name in STEP_COLUMNS if name in lowered), None)
        self._time = next((lowered.index(name) for name in TIME_COLUMNS if name in lowered), None)
        if self._step is not None and lowered[self._step] == EPOCH and self._in_fractions(self._step):
            self._step = None  # `0.5` of an epoch is no step: rows are counted, and the epoch stays a series
        self._own = {self._step, self._time}
        self._lines = Lines(self.path)
        self._begun = False
        self._row = 0
        self._odd = 0

    def read(self) -> Sequence[Row] | None:
        if self._begun and heading(self.path) != self._heading:
            # Lightning writes the file anew when a metric turns up: the same rows, with one more column.
            self._skip = self._row
            self._start()
        lines = self._lines.read()
        if lines is None:
            return None
        if not self._begun and lines:
            self._begun, lines = True, lines[1:]
        return self._rows(lines)

    def finish(self) -> Sequence[Row]:
        return self._rows(self._lines.finish()) if self._begun else ()

    def _rows(self, lines: Sequence[bytes]) -> list[Row]:
        whole: list[tuple[int, list[str]]] = []  # by the number of the row
        for line in lines:
            if not line.strip():
                continue
            self._row += 1
            if self._row <= self._skip:
                continue
            cells = _cells(line, self._delimiter)
            if len(cells) > len(self._columns):
                self._odd += 1
            else:
                whole.append((self._row, cells))
                if b"," in line or self._delimiter != ",":
                    self._decimals.look(cells)
        rows = (self._one(row, cells) for row, cells in whole)
        return [row for row in rows if row is not None]

    def _one(self, row: int, cells: Sequence[str]) -> Row | None:
        """None where its step is none. An empty cell for a step: as the row before."""
        step: int | None = row - 1
        if self._step is not None:
            told = cells[self._step].strip() if self._step < len(cells) else ""
            step = self._steps.of(told) if told else None
            if told and step is None:
                return None
        number = self._decimals.number
        values = {
            self._columns[at]: value
            for at, cell in enumerate(cells)
            if at not in self._own and cell and (value := number(cell)) is not None
        }
        t = None if self._time is None or self._time >= len(cells) else number(cells[self._time])
        return Row(t, step, values)

    def _in_fractions(self, at: int) -> bool:
        """Whether the first rows have anything but whole numbers in a column."""
        with self.path.open("rb") as file:
            lines = file.read(_LOOKED_AT).split(b"\n")[1:-1]
        rows = (_cells(line, self._delimiter) for line in lines)
        values = [value for cells in rows if at < len(cells) and (value := _number(cells[at])) is not None]
        return any(math.isfinite(value) and value != int(value) for value in values)

    @property
    def trouble(self) -> Sequence[str]:
        odd = self._odd + self._lines.skipped
        lines = [f"{text.plural(odd, 'row')} had more cells than the heading, or could not be read"] if odd else []
        return [*lines, *self._renamed, *self._steps.trouble, *self._decimals.trouble]


def _told_apart(names: Sequence[str]) -> tuple[list[str], list[str]]:
    """Names of columns, each once, and what to say of those that had one name."""
    taken = set(names)
    found: list[str] = []
    said: list[str] = []
    for place, name in enumerate(names):
        unique = name if name.strip() else f"column {place + 1}"
        number = 1
        while unique in found or (number > 1 and unique in taken):
            number += 1
            unique = f"{name}_{number}"
        if number > 1:
            said.append(f"two columns are called {text.clean(name)!r}: the second is {text.clean(unique)!r} here")
        found.append(unique)
    return found, said[:MOST_SAID]


def heading(path: Path) -> bytes:
    """The first line, without its newline; b"" where it is not complete. Raises OSError."""
    with path.open("rb") as file:
        line = file.readline(1 << 20)
    return line.rstrip(b"\r\n").removeprefix(b"\xef\xbb\xbf") if line.endswith(b"\n") else b""


def _delimiter(line: bytes) -> str:
    return max(",\t;", key=lambda sign: line.count(sign.encode()))


def _cells(line: bytes, delimiter: str) -> list[str]:
    shown = line.decode("utf-8", "replace").replace("\0", "").rstrip("\r")
    if '"' not in shown:
        return shown.split(delimiter)
    try:
        return next(csv.reader([shown], delimiter=delimiter), [])
    except csv.Error:
        return shown.split(delimiter)


def _number(cell: str) -> float | None:
    try:
        return float(cell)
    except ValueError:
        return None
