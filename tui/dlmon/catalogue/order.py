"""Rows in an order."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping

from dlmon.catalogue.rows import Row
from dlmon.errors import UserError

TIME = "time"
COLUMNS: Mapping[str, Callable[[Row], float | str | None]] = {
    TIME: lambda row: row.created,
    "name": lambda row: row.name,
    "state": lambda row: row.state,
    "steps": lambda row: row.steps,
    "loss": lambda row: row.loss,
    "seconds": lambda row: row.seconds,
    "size": lambda row: row.size,
}


def column_of(text: str) -> tuple[str, bool]:
    """(column, whether the largest comes first) of `loss` and `-loss`. Raises UserError."""
    name = text.lstrip("-")
    if name not in COLUMNS or text.count("-") - name.count("-") > 1:
        raise UserError(f"--sort {text}: there are {', '.join(COLUMNS)}; a `-` in front puts the largest first")
    return name, text.startswith("-")


def ordered(rows: Iterable[Row], column: str, *, reverse: bool = False) -> list[Row]:
    """By a column, then by name; what has no value there, or NaN, comes last either way."""
    key = COLUMNS[column]
    known: list[tuple[float | str, Row]] = []
    unknown: list[Row] = []
    for row in rows:
        value = key(row)
        if value is None or (isinstance(value, float) and math.isnan(value)):
            unknown.append(row)
        else:
            known.append((value, row))
    known.sort(key=lambda pair: pair[1].name, reverse=reverse)
    known.sort(key=lambda pair: pair[0], reverse=reverse)  # twice: quicker than once by both
    return [row for _, row in known] + sorted(unknown, key=lambda row: row.name, reverse=reverse)
