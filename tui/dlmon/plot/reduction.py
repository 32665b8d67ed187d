"""Thinned series to the columns of a chart: what has more values than columns is reduced before it is drawn."""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence

from dlmon.state.snapshot import Points

Band = tuple[float, float]


def columns_of(points: Points, first: int, last: int, columns: int) -> list[Band | None]:
    """The lowest and the highest value that falls on each of `columns` columns over the steps first..last."""
    bands: list[Band | None] = [None] * columns
    for column, start, stop in _parts(points.step, first, last, columns):
        low, high = min(points.low[start:stop]), max(points.high[start:stop])
        if low <= high and math.isfinite(low) and math.isfinite(high):
            bands[column] = low, high
    return bands


def means_of(steps: Sequence[int], values: Sequence[float], first: int, last: int, columns: int) -> list[float | None]:
    """The mean of what falls on each column."""
    means: list[float | None] = [None] * columns
    for column, start, stop in _parts(steps, first, last, columns):
        part = values[start:stop]
        mean = sum(part) / len(part) if part else math.nan
        means[column] = mean if math.isfinite(mean) else None
    return means


def _parts(steps: Sequence[int], first: int, last: int, columns: int) -> Iterator[tuple[int, int, int]]:
    """(column, start, stop) of the entries that fall on a column each; columns without any are left out."""
    start, end = bisect_left(steps, first), bisect_right(steps, last)
    extent = max(1, last - first + 1)
    while start < end:
        column = column_of(steps[start], first, last, columns)
        beyond = first + -(-(column + 1) * extent // columns)  # the first step of the next column
        stop = bisect_left(steps, beyond, start + 1, end)
        yield column, start, stop
        start = stop


def visible(steps: Sequence[int], first: int, last: int) -> range:
    return range(bisect_left(steps, first), bisect_right(steps, last))


def column_of(step: int, first: int, last: int, columns: int) -> int:
    return min(columns - 1, max(0, (step - first) * columns // max(1, last - first + 1)))
