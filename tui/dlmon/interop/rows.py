"""What every reader of another tool's log gives: rows of named numbers, in the order in which they were written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol

from dlmon import text

TEXTS = {"nan": "nan", "inf": "inf", "+inf": "inf", "-inf": "-inf", "infinity": "inf", "-infinity": "-inf"}
LONGEST_SHOWN = 40  # characters of a cell in a notice


class Row(NamedTuple):
    """Numbers that were logged together. t: unix seconds, None where the log does not say. step: None likewise."""

    t: float | None
    step: int | None
    values: Mapping[str, float]


class Ended(NamedTuple):
    """The end of the run, where the log tells of it. seconds: how long it ran."""

    code: int
    seconds: float


class Reader(Protocol):
    """Reads one source from its beginning, then whatever is written later."""

    kind: str  # in words: "TensorBoard events"
    source: str  # of the scalars, as in the log: "tensorboard"
    counts_done: bool  # its step is the number of completed steps, not the index of the step

    def read(self) -> Sequence[Row] | None:
        """The next rows, about a megabyte of the source; empty where those bytes hold none, None at its end for now."""

    def finish(self) -> Sequence[Row]:
        """What stands at the end without being closed by a newline, once nothing more is expected."""

    @property
    def ended(self) -> Ended | None:
        """How the run ended, if the log says so."""

    @property
    def trouble(self) -> Sequence[str]:
        """One line for each thing that could not be read."""


def number(value: object) -> float | None:
    """A logged value as a number: None for text, for flags and for what has no number in it."""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        try:
            return float(value)
        except OverflowError:
            return None
    if isinstance(value, str):
        known = TEXTS.get(value.strip().lower())
        return float(known) if known else None
    return None


def whole(value: float | None) -> int | None:
    """A step: a whole number between 0 and 2^53, None for anything else."""
    if value is None or not 0 <= value <= 1 << 53:
        return None
    return int(value)


class Steps:
    """The steps of a text log's rows. A row whose step is none is to be left out: it would stand at another's."""

    def __init__(self) -> None:
        self._bad = 0
        self._first = ""  # as it stands there
        self._back = 0
        self._first_back = (0, 0)
        self._last = -1

    def of(self, cell: object, *, parts: bool = False) -> int | None:
        """A step as it stands in a log; None where the row has to be left out. parts: `0.5` (of an epoch) counts as 0.

        Counts what is left out, and what goes back.
        """
        value = _float(cell)
        step = whole(value)
        if step is None or (step != value and not parts):
            self._bad += 1
            self._first = self._first or text.clean(str(cell))[:LONGEST_SHOWN]
            return None
        if step < self._last:
            self._back += 1
            self._first_back = self._first_back if self._back > 1 else (step, self._last)
        self._last = step
        return step

    @property
    def trouble(self) -> list[str]:
        lines = []
        if self._bad:
            rows = text.plural(self._bad, "row")
            lines.append(f"{rows} left out, whose step is no whole number from 0 to 2^53 (the first: {self._first!r})")
        if self._back:
            times = text.plural(self._back, "time")
            step, before = self._first_back
            lines.append(f"the steps go back {times} (first from {before:,} to {step:,}): curves have both parts")
        return lines


def _float(cell: object) -> float | None:
    try:
        return None if isinstance(cell, bool) else float(cell)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        return None


def flat(row: Mapping[str, object], prefix: str = "", depth: int = 4) -> dict[str, float]:
    """The numbers of an object, those of nested objects as `outer/inner`. W&B's media objects have none."""
    found: dict[str, float] = {}
    for key, value in row.items():
        if isinstance(value, dict):
            if depth and "_type" not in value:
                found |= flat(value, f"{prefix}{key}/", depth - 1)
        elif (known := number(value)) is not None:
            found[f"{prefix}{key}"] = known
    return found
