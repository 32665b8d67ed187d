"""JSON lines: one object for each step, with what is known of it. NaN and infinities are strings, as in our own log."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any, BinaryIO

from dlmon.interop.writers.table import STEP, TIME
from dlmon.interop.writers.window import TableRow
from dlmon.plain import plain


def write(rows: Iterable[TableRow], file: BinaryIO) -> int:
    """Write a table; how many rows it has. Raises OSError."""
    count = 0
    for row in rows:
        values: dict[str, Any] = {STEP: row.step, TIME: row.t, **row.values}
        try:
            line = json.dumps(values, allow_nan=False)
        except ValueError:
            line = json.dumps(plain(values), allow_nan=False)
        file.write(line.encode() + b"\n")
        count += 1
    return count
