"""Sums over the steps between two boundaries (evaluations, epochs), while the log goes by."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Sequence

from dlmon.report.evidence import Span
from dlmon_probes import events

MOST_SPANS = 20_000
MOST_SERIES = 16  # losses that are added up: no table shows more


class _Open:
    """A span that is being filled."""

    def __init__(self, first: int) -> None:
        self.first = self.end = first
        self.losses: dict[str, tuple[float, int]] = {}
        self.nonfinite: dict[str, int] = {}
        self.accuracy = (0.0, 0)
        self.lr: float | None = None
        self.end_seconds: float | None = None
        self.noted: dict[str, float] = {}

    def closed(self) -> Span:
        return Span(
            self.first, self.end, self.losses, self.nonfinite, self.accuracy, self.lr, self.end_seconds, self.noted
        )


class Spans:
    """Boundaries come before the blocks that reach over them: an evaluation is told of before a later step has ended.

    A boundary that comes too late (a damaged log) is put at the end of what was read.
    """

    def __init__(self) -> None:
        self._starts = [0]
        self._open = [_Open(0)]

    def cut(self, step: int) -> None:
        """A boundary: `step` begins a new span."""
        step = max(step, self._open[-1].end)
        if step > self._starts[-1] and len(self._starts) < MOST_SPANS:
            self._starts.append(step)
            self._open.append(_Open(step))

    def add(self, block: events.Steps) -> None:
        """A block of steps, cut at the boundaries that lie in it."""
        start, size = 0, len(block.at)
        place = max(0, bisect_right(self._starts, block.first) - 1)
        while start < size:
            after = self._starts[place + 1] if place + 1 < len(self._starts) else block.first + size
            stop = min(size, max(start + 1, after - block.first))
            self._put(self._open[place], block, start, stop)
            start, place = stop, min(place + 1, len(self._open) - 1)

    def _put(self, span: _Open, block: events.Steps, start: int, stop: int) -> None:
        span.end = max(span.end, block.first + stop)
        span.end_seconds = block.at[stop - 1]
        rates = [rate for rate in block.lr[start:stop][-1:] if rate is not None]
        span.lr = rates[-1] if rates else span.lr
        for key, values in block.loss.items():
            if key in span.losses or len(span.losses) < MOST_SERIES:
                total, count = span.losses.get(key, (0.0, 0))
                more, number, bad = finite_sum(values[start:stop])
                span.losses[key] = total + more, count + number
                if bad:
                    span.nonfinite[key] = span.nonfinite.get(key, 0) + bad

    def accuracy(self, step: int, value: float) -> None:
        """Share of right answers in a training batch."""
        span = self._at(step)
        span.accuracy = span.accuracy[0] + value, span.accuracy[1] + 1

    def note(self, column: str, step: int, value: float) -> None:
        """Something that the script logged after `step` steps."""
        if math.isfinite(value):
            self._at(max(0, step - 1)).noted[column] = value

    def _at(self, step: int) -> _Open:
        return self._open[max(0, bisect_right(self._starts, step) - 1)]

    def closed(self) -> tuple[Span, ...]:
        """The spans that hold steps, in order."""
        return tuple(span.closed() for span in self._open if span.end > span.first)


def finite_sum(values: Sequence[float | None]) -> tuple[float, int, int]:
    """(sum, how many, how many were not finite) of the values that there are."""
    try:
        total = sum(values)  # type: ignore[arg-type]  # runs in C where nothing is missing
        if math.isfinite(total):
            return float(total), len(values), 0
    except (TypeError, OverflowError):
        pass
    there = [value for value in values if value is not None]
    known = [value for value in there if math.isfinite(value)]
    return math.fsum(known), len(known), len(there) - len(known)
