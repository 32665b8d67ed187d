"""A series of any length in fixed memory: buckets whose width doubles, with the first and last values kept raw.

Pure Python is enough: whole slices go through min, max and sum, which run in C (10 M values in about half a second).
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence

from dlmon.state.snapshot import Points, SeriesView
from dlmon_probes.events import Where

MOST_BUCKETS = 2048
FIRST_VALUES = 64
RECENT_VALUES = 512
MOST_NONFINITE = 1000
SMOOTHING_PART = 50  # the average's memory is this part of what is drawn: 2 % of the width at any zoom-out

_HUGE = 1e300  # sums of such values overflow; they are as good as infinite


class Series:
    """Values over steps. Steps that go backwards are put at the last one."""

    def __init__(self, name: str, source: str, where: Where | None = None, most: int = MOST_BUCKETS) -> None:
        self.name, self.source, self.where = name, source, where
        self.width = 1
        self.count = 0
        self.last_value: float | None = None
        self.last_step = 0
        self._most = most
        self._step: list[int] = []
        self._low: list[float] = []
        self._high: list[float] = []
        self._sum: list[float] = []
        self._size: list[int] = []
        self._last: list[float] = []
        self._nonfinite: list[int] = []
        self._first: list[tuple[int, float]] = []
        self._recent_step: deque[int] = deque(maxlen=RECENT_VALUES)
        self._recent: deque[float] = deque(maxlen=RECENT_VALUES)
        self._view: SeriesView | None = None

    def rename(self, name: str, where: Where | None) -> None:
        self.name, self.where, self._view = name, where, None

    def append(self, step: int, value: float) -> None:
        """One value. NaN and infinities are values too."""
        self.extend(step, [value])

    def extend(self, first: int, values: Sequence[float | None]) -> None:
        """Values of consecutive steps from `first` on; None where a step has none."""
        if not values:
            return
        self._view = None
        try:
            plain = first >= self.last_step and math.isfinite(total := sum(values)) and abs(total) < _HUGE  # type: ignore[arg-type]
        except (TypeError, OverflowError):
            plain = False
        if plain:
            self._extend_finite(first, values)  # type: ignore[arg-type]
            return
        for offset, value in enumerate(values):
            if value is not None:
                self._extend_one(max(first + offset, self.last_step), float(value))

    def _extend_one(self, step: int, value: float) -> None:
        if math.isfinite(value) and abs(value) < _HUGE:
            self._extend_finite(step, (value,))
            return
        if len(self._nonfinite) < MOST_NONFINITE:
            self._nonfinite.append(step)
        self._note(step, (value,))

    def _note(self, first: int, values: Sequence[float]) -> None:
        """Keep what is kept raw."""
        steps = range(first, first + len(values))
        room = FIRST_VALUES - len(self._first)
        if room > 0:
            self._first.extend(zip(steps[:room], values[:room], strict=True))
        self._recent_step.extend(steps[-RECENT_VALUES:])
        self._recent.extend(values[-RECENT_VALUES:])
        self.count += len(values)
        self.last_value, self.last_step = values[-1], steps[-1]

    def _extend_finite(self, first: int, values: Sequence[float]) -> None:
        self._note(first, values)
        start, size = 0, len(values)
        while start < size:
            step = first + start
            stop = min(size, start + self.width - step % self.width)
            self._put(step, values[start:stop])
            start = stop

    def _put(self, step: int, part: Sequence[float]) -> None:
        """Values of consecutive steps that belong to one bucket."""
        low, high, total, size = min(part), max(part), sum(part), len(part)
        if self._step and self._step[-1] // self.width == step // self.width:
            self._low[-1] = min(self._low[-1], low)
            self._high[-1] = max(self._high[-1], high)
            self._sum[-1] += total
            self._size[-1] += size
            self._last[-1] = part[-1]
            return
        self._step.append(step)
        self._low.append(low)
        self._high.append(high)
        self._sum.append(total)
        self._size.append(size)
        self._last.append(part[-1])
        while len(self._step) > self._most:
            self._halve()

    def _halve(self) -> None:
        """Double the width and merge the buckets that fall together."""
        self.width *= 2
        old = list(zip(self._step, self._low, self._high, self._sum, self._size, self._last, strict=True))
        for column in (self._step, self._low, self._high, self._sum, self._size, self._last):
            column.clear()
        for step, low, high, total, size, last in old:
            if self._step and self._step[-1] // self.width == step // self.width:
                self._low[-1] = min(self._low[-1], low)
                self._high[-1] = max(self._high[-1], high)
                self._sum[-1] += total
                self._size[-1] += size
                self._last[-1] = last
            else:
                self._step.append(step)
                self._low.append(low)
                self._high.append(high)
                self._sum.append(total)
                self._size.append(size)
                self._last.append(last)

    def view(self) -> SeriesView:
        """The series now; the same object until something was added."""
        if self._view is None:
            self._view = self._make_view()
        return self._view

    def _make_view(self) -> SeriesView:
        mean = tuple(total / size for total, size in zip(self._sum, self._size, strict=True))
        points = Points(
            tuple(self._step), tuple(self._low), tuple(self._high), mean, tuple(self._last), tuple(self._nonfinite)
        )
        return SeriesView(
            name=self.name,
            source=self.source,
            where=self.where,
            points=points,
            first=tuple(self._first),
            recent=tuple(zip(self._recent_step, self._recent, strict=True)),
            last=self.last_value,
            last_step=self.last_step,
            count=self.count,
            smoothed=smooth(mean),
        )


def smooth(values: Sequence[float]) -> tuple[float, ...]:
    """Exponential average without the pull towards zero at the start (as Adam corrects its moments)."""
    keep = 1.0 - 1.0 / max(1.0, len(values) / SMOOTHING_PART)
    average, weight = 0.0, 0.0
    smoothed = []
    for value in values:
        average = keep * average + (1.0 - keep) * value
        weight = keep * weight + (1.0 - keep)
        smoothed.append(average / weight)
    return tuple(smoothed)
