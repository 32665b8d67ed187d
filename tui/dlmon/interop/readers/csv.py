"""A CSV file with a heading: Lightning's `metrics.csv`, whose rows are sparse, and plain tables."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

from dlmon import text
from dlmon.errors import UserError
from dlmon.interop.lines import Lines
from dlmon.interop.roles import STEP_COLUMNS, TIME_COLUMNS
from dlmon.interop.rows import Ended, Row, whole

MOST_COLUMNS = 5000


class CsvReader:
    """Rows become rows; empty cells and text are left out. Without a step column rows are counted from 0."""

    kind, source, counts_done = "CSV table", "csv", False
    ended: Ended | None = None

    def __init__(self, path: Path) -> None:
        """Raises UserError when the file has no heading, and OSError."""
        self.path = path
        self._skip = 0
        self._start()

    def _start(self) -> None:
        self._heading = heading(self.path)
        delimiter = _delimiter(self._heading)
        self._columns = _cells(self._heading, delimiter)
        if len(self._columns) > MOST_COLUMNS or all(not name or _number(name) is not None for name in self._columns):
            raise UserError(
                f"{text.clean(str(self.path))}: the first line names no columns, so its numbers cannot be told apart"
            )
        self._delimiter = delimiter
        lowered = [name.lower() for name in self._columns]
        self._step = next((lowered.index(name) for name in STEP_COLUMNS if name in lowered), None)
        self._time = next((lowered.index(name) for name in TIME_COLUMNS if name in lowered), None)
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
        found = []
        for line in lines:
            if not line.strip():
                continue
            self._row += 1
            if self._row <= self._skip:
                continue
            cells = _cells(line, self._delimiter)
            if len(cells) > len(self._columns):
                self._odd += 1
                continue
            found.append(self._one(cells))
        return found

    def _one(self, cells: Sequence[str]) -> Row:
        values = {
            self._columns[at]: value
            for at, cell in enumerate(cells)
            if at not in self._own and cell and (value := _number(cell)) is not None
        }
        step = self._row - 1 if self._step is None else whole(_cell(cells, self._step))
        t = None if self._time is None else _cell(cells, self._time)
        return Row(t, step, values)

    @property
    def trouble(self) -> Sequence[str]:
        odd = self._odd + self._lines.skipped
        return [f"{text.plural(odd, 'row')} had more cells than the heading, or could not be read"] if odd else []


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


def _cell(cells: Sequence[str], at: int) -> float | None:
    return _number(cells[at]) if at < len(cells) else None


def _number(cell: str) -> float | None:
    try:
        return float(cell)
    except ValueError:
        return None
