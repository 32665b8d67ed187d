"""What every reader of another tool's log gives: rows of named numbers, in the order in which they were written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol

TEXTS = {"nan": "nan", "inf": "inf", "+inf": "inf", "-inf": "-inf", "infinity": "inf", "-infinity": "-inf"}


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
