"""A history in one row: one bar per column."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache


def sparkline(
    values: Sequence[float | None],
    columns: int,
    bars: str,
    *,
    low: float | None = None,
    high: float | None = None,
    log: bool = False,
) -> str:
    """The whole of `values` in exactly `columns` characters, newest at the right; blank where there is no value.

    low, high: the ends of the scale, by default those of what is shown. A flat series stands at mid height.
    Where there are more values than columns, each column shows the mean of its part.
    """
    return _sparkline(tuple(values), columns, bars, low, high, log) if columns > 0 else ""


@lru_cache(maxsize=512)  # most histories have not changed since the frame before
def _sparkline(
    values: tuple[float | None, ...], columns: int, bars: str, low: float | None, high: float | None, log: bool
) -> str:
    shown = [_scaled(value, log) for value in squeeze(values, columns)]
    finite = [value for value in shown if value is not None]
    if not finite:
        return " " * columns
    bottom = min(finite) if low is None else _scaled(low, log) or 0.0
    top = max(finite) if high is None else _scaled(high, log) or 0.0
    return "".join(_bar(value, bottom, top, bars) for value in shown).rjust(columns)


def squeeze(values: Sequence[float | None], columns: int) -> list[float | None]:
    """At most `columns` values: means of equal parts of the series, None where a part has no finite value."""
    amount = len(values)
    if amount <= columns:
        return [value if value is not None and math.isfinite(value) else None for value in values]
    squeezed: list[float | None] = []
    for column in range(columns):
        part = values[column * amount // columns : (column + 1) * amount // columns]
        finite = [value for value in part if value is not None and math.isfinite(value)]
        squeezed.append(math.fsum(value / len(finite) for value in finite) if finite else None)
    return squeezed


def _scaled(value: float | None, log: bool) -> float | None:
    if value is None or not math.isfinite(value) or (log and value <= 0):
        return None
    return math.log10(value) if log else value


def _bar(value: float | None, bottom: float, top: float, bars: str) -> str:
    if value is None:
        return " "
    extent = top - bottom
    if not extent > 0 or not math.isfinite(extent):
        return bars[len(bars) // 2 - 1] if extent == 0 else bars[0]
    share = min(1.0, max(0.0, (value - bottom) / extent))
    return bars[min(len(bars) - 1, int(share * len(bars)))]


def gauge(share: float, columns: int, signs: str) -> tuple[str, str]:
    """A progress bar as its done and its remaining part, together `columns` characters."""
    done = round(min(1.0, max(0.0, share if math.isfinite(share) else 0.0)) * columns)
    return signs[0] * done, signs[1] * (columns - done)
