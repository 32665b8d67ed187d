"""CSV: one row for each step. Numbers have all their digits, missing ones are empty, NaN is `nan`."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from typing import BinaryIO

from dlmon.interop.writers.table import STEP, TIME
from dlmon.interop.writers.window import TableRow

_ROWS = 1000


def write(rows: Iterable[TableRow], columns: Sequence[str], file: BinaryIO) -> int:
    """Write a table; how many rows it has. Raises OSError."""
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow([STEP, TIME, *map(_harmless, columns)])
    count = 0
    for row in rows:
        # repr has every digit that makes the number: reading it gives the same 64 bits.
        cells = (row.values.get(name) for name in columns)
        writer.writerow([row.step, repr(row.t), *("" if cell is None else repr(cell) for cell in cells)])
        count += 1
        if count % _ROWS == 0:
            _drain(buffer, file)
    _drain(buffer, file)
    return count


def _harmless(name: str) -> str:
    """A column's name comes from a log; a spreadsheet takes what begins like this for a formula."""
    return f"'{name}" if name[:1] in ("=", "+", "-", "@") else name


def _drain(buffer: io.StringIO, file: BinaryIO) -> None:
    file.write(buffer.getvalue().encode("utf-8", "replace"))
    buffer.seek(0)
    buffer.truncate()
