"""A series of any length in fixed memory: buckets whose width doubles, with the first and last values kept raw.

Pure Python is enough: whole slices go through min, max and sum, which run in C (10 M values in about half a second).
"""

from __future__ import annotations

import math
from array import array
from bisect import bisect_left
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate, islice
from operator import truediv
from typing import Any

from dlmon.state.snapshot import Points, SeriesView
from dlmon_probes.events import Where

MOST_BUCKETS = 2048
FIRST_VALUES = 64
RECENT_VALUES = 512
MOST_NONFINITE = 1000
MOST_WAITING = 512
SMOOTHING_PART = 50  # the average's memory is this part of what is drawn: 2 % of the width at any zoom-out

FARTHEST_STEP = 1 << 62
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
        # Arrays: a replay keeps dozens of copies of a state, pickled, and these are most of it.
        self._step = array("q")
        self._low = array("d")
        self._high = array("d")
        self._sum = array("d")
        self._size = array("q")
        self._last = array("d")
        self._bucket = -1  # number of the last bucket
        self._nonfinite: list[int] = []
        self._latest = 0  # as last_step, those that wait included
        self._waiting_step: list[int] = []
        self._waiting: list[float] = []
        self._first: list[tuple[int, float]] = []
        self._recent_step: deque[int] = deque(maxlen=RECENT_VALUES)
        self._recent: deque[float] = deque(maxlen=RECENT_VALUES)
        self._view: SeriesView | None = None

    def __getstate__(self) -> dict[str, object]:
        return {**vars(self), "_view": None}  # made again when it is looked at, and twice as large as what it shows

    def rename(self, name: str, where: Where | None) -> None:
        self.name, self.where, self._view = name, where, None

    def append(self, step: int, value: float) -> None:
        """One value. NaN and infinities are values too. Raises OverflowError for a step beyond 2^62."""
        if step >= FARTHEST_STEP:
            raise OverflowError(f"no training gets to step {step}")
        self._view = None
        if step < self._latest:
            step = self._latest
        if not -_HUGE < value < _HUGE:
            self._take_waiting()
            self._note_nonfinite(step, value)
            return
        # Taken many at a time, which is four times as fast: a script may log twenty values at each step.
        self._latest = step
        self._waiting_step.append(step)
        self._waiting.append(value)
        if len(self._waiting) >= MOST_WAITING:
            self._take_waiting()

    def _take_waiting(self) -> None:
        if self._waiting:
            steps, self._waiting_step = self._waiting_step, []
            values, self._waiting = self._waiting, []
            self._take(steps, values)

    def extend(self, first: int, values: Sequence[float | None]) -> None:
        """Values of consecutive steps from `first` on; None where a step has none. Raises as `append` does."""
        if not values:
            return
        if first + len(values) >= FARTHEST_STEP:
            raise OverflowError(f"no training gets to step {first}")
        try:
            plain = first >= self._latest and math.isfinite(total := sum(values)) and abs(total) < _HUGE  # type: ignore[arg-type]
        except (TypeError, OverflowError):
            plain = False
        if plain:
            self._view = None
            self._take_waiting()
            self._take(range(first, first + len(values)), values)  # type: ignore[arg-type]
            return
        for offset, value in enumerate(values):
            if value is not None:
                self.append(first + offset, float(value))

    def _note_nonfinite(self, step: int, value: float) -> None:
        """A value that is not finite."""
        if len(self._nonfinite) < MOST_NONFINITE:
            self._nonfinite.append(step)
        self._note((step,), (value,))

    def _note(self, steps: Sequence[int], values: Sequence[float]) -> None:
        """Keep what is kept raw."""
        room = FIRST_VALUES - len(self._first)
        if room > 0:
            self._first.extend(zip(steps[:room], values[:room], strict=True))
        self._recent_step.extend(steps[-RECENT_VALUES:])
        self._recent.extend(values[-RECENT_VALUES:])
        self.count += len(values)
        self.last_value = values[-1]
        self.last_step = self._latest = steps[-1]

    def _take(self, steps: Sequence[int], values: Sequence[float]) -> None:
        """Finite values at steps that do not go back."""
        self._note(steps, values)
        start, size = 0, len(values)
        while start < size:
            bucket = steps[start] // self.width
            stop = bisect_left(steps, (bucket + 1) * self.width, start)
            self._put(steps[start], values[start:stop])
            start = stop

    def _put(self, step: int, part: Sequence[float]) -> None:
        """Values of consecutive steps that belong to one bucket."""
        low, high, size = min(part), max(part), len(part)
        if step // self.width != self._bucket:
            self._open(step, low, high, sum(part), size, part[-1])
            return
        self._low[-1] = min(self._low[-1], low)
        self._high[-1] = max(self._high[-1], high)
        # Summed up from the left, so that a block that comes in two parts leads to the same sum.
        self._sum[-1] = sum(part, self._sum[-1])
        self._size[-1] += size
        self._last[-1] = part[-1]

    def _open(self, step: int, low: float, high: float, total: float, size: int, last: float) -> None:
        """A new bucket."""
        self._step.append(step)
        self._low.append(low)
        self._high.append(high)
        self._sum.append(total)
        self._size.append(size)
        self._last.append(last)
        self._bucket = step // self.width
        while len(self._step) > self._most:
            self._halve()

    def _halve(self) -> None:
        """Double the width and merge the buckets that fall together."""
        self.width *= 2
        width, kept, bucket = self.width, -1, -1
        steps, low, high, total = self._step, self._low, self._high, self._sum
        size, last = self._size, self._last
        for at, step in enumerate(steps):
            if step // width == bucket:
                low[kept] = min(low[kept], low[at])
                high[kept] = max(high[kept], high[at])
                total[kept] += total[at]
                size[kept] += size[at]
            else:
                kept, bucket = kept + 1, step // width
                steps[kept], low[kept], high[kept], total[kept], size[kept] = (
                    step,
                    low[at],
                    high[at],
                    total[at],
                    size[at],
                )
            last[kept] = last[at]
        for column in (steps, low, high, total, size, last):
            del column[kept + 1 :]
        self._bucket = bucket

    def view(self) -> SeriesView:
        """The series now; the same object until something was added."""
        if self._view is None:
            self._take_waiting()
            self._view = self._make_view()
        return self._view

    def _make_view(self) -> SeriesView:
        return _LaterView.of(
            {
                "name": self.name,
                "source": self.source,
                "where": self.where,
                "first": tuple(self._first),
                "last": self.last_value,
                "last_step": self.last_step,
                "count": self.count,
            },
            _Held(
                self._step[:], self._low[:], self._high[:], self._sum[:], self._size[:], self._last[:],
                self._nonfinite[:], self._recent_step.copy(), self._recent.copy(),
            ),
        )  # fmt: skip


@dataclass(frozen=True)
class _Held:
    """A series' columns as they were at one moment."""

    step: array[int]
    low: array[float]
    high: array[float]
    sum: array[float]
    size: array[int]
    last: array[float]
    nonfinite: list[int]
    recent_step: deque[int]
    recent: deque[float]

    def make(self, name: str, view: SeriesView) -> Any:
        if name == "points":
            mean = tuple(map(truediv, self.sum, self.size))
            columns = (tuple(self.step), tuple(self.low), tuple(self.high))
            return Points(*columns, mean, tuple(self.last), tuple(self.nonfinite))
        if name == "smoothed":
            return smooth(view.points.mean)
        return tuple(zip(self.recent_step, self.recent, strict=True))


class _LaterView(SeriesView):
    """A view whose long parts are made when they are first looked at.

    A script may log a hundred series, of which a screen draws a few and a status line none. Copying the columns takes
    20 µs, making the tuples of a long series and smoothing them 600 µs.
    """

    @classmethod
    def of(cls, known: dict[str, object], held: _Held) -> SeriesView:
        view = cls.__new__(cls)
        vars(view).update(known, _held=held)
        return view

    def __getattr__(self, name: str) -> Any:
        if name not in ("points", "smoothed", "recent") or "_held" not in vars(self):
            raise AttributeError(name)
        made = vars(self)[name] = self._held.make(name, self)
        return made


def smooth(values: Sequence[float]) -> tuple[float, ...]:
    """Exponential average without the pull towards zero at the start (as Adam corrects its moments)."""
    keep = 1.0 - 1.0 / max(1.0, len(values) / SMOOTHING_PART)
    take = 1.0 - keep
    averages = accumulate(values, lambda average, value: keep * average + take * value, initial=0.0)
    return tuple(map(truediv, islice(averages, 1, None), _weights(len(values), keep)))


@lru_cache(maxsize=8)
def _weights(size: int, keep: float) -> tuple[float, ...]:
    """What the averages' weights add up to: the same for all series that are equally long."""
    weights = accumulate(range(size), lambda weight, _: keep * weight + (1.0 - keep), initial=0.0)
    return tuple(islice(weights, 1, None))
