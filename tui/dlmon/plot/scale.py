"""Axes: ranges rounded to readable numbers, ticks and their labels."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from dlmon.text import number, short_count

# A few values far above all others would press the curve flat. Up to this share of the columns may be cut off when
# the rest needs less than a tenth of the height; the chart says so.
OUTLIER_SHARE = 0.02
OUTLIER_FACTOR = 10.0
LARGEST, SMALLEST = 1e300, 1e-290  # what is beyond is as good as infinite, or zero: sums and ratios would overflow
TICK_ROWS = 2.2  # labels stand at least so many rows apart
OUTLIER_COLUMNS = 40  # fewer are too few to call any of them an outlier


@dataclass(frozen=True)
class Axis:
    """A vertical axis. low, high: its ends in the units of the scale (exponents of ten when log). ticks: positions
    in the same units with their labels."""

    low: float
    high: float
    log: bool
    ticks: Sequence[tuple[float, str]]
    cut: float | None = None  # the highest value, where it lies beyond the top

    def position(self, value: float) -> float | None:
        """Where a value lies: 0 at the bottom, 1 at the top, clamped; None where it cannot be shown."""
        if not math.isfinite(value) or (self.log and value <= 0):
            return None
        scaled = math.log10(value) if self.log else value
        share = (scaled - self.low) / (self.high - self.low)
        return min(1.0, max(0.0, share))


def nice(step: float) -> float:
    """The smallest of 1, 2, 5 times a power of ten that is not below `step`."""
    if not step > 0 or not math.isfinite(step):
        return 1.0
    power = 10.0 ** math.floor(math.log10(step))
    for factor in (1.0, 2.0, 5.0, 10.0):
        if factor * power >= step * (1 - 1e-9):
            return factor * power
    return 10.0 * power


def ceiling(highs: Sequence[float], low: float) -> tuple[float, float | None]:
    """The top of what should be shown, and the highest value if that is beyond it."""
    ordered = sorted(highs)
    top = ordered[-1]
    if len(ordered) >= OUTLIER_COLUMNS:
        usual = ordered[int(len(ordered) * (1 - OUTLIER_SHARE)) - 1]
        if usual > low and top > low + OUTLIER_FACTOR * (usual - low):
            return usual + 0.25 * (usual - low), top
    return top, None


def vertical(lows: Sequence[float], highs: Sequence[float], rows: int, log: bool) -> Axis:
    """An axis over the finite values given (of a logarithmic one: over those above zero)."""
    low_values, high_values = _usable(lows, log), _usable(highs, log)
    if not low_values or not high_values:
        return Axis(0.0, 1.0, log, ())
    if log:
        return _logarithmic(math.log10(min(low_values)), math.log10(max(high_values)), rows)
    low = min(low_values)
    high, cut = ceiling(high_values, low)
    return _linear(low, high, rows, cut)


def _usable(values: Sequence[float], log: bool) -> Sequence[float]:
    """The values that an axis can hold; of a logarithmic axis those above zero."""
    if log:
        return [value for value in values if SMALLEST < value < LARGEST]
    if not values or (min(values) > -LARGEST and max(values) < LARGEST and not math.isnan(sum(values))):
        return values  # three passes in C; series leave non-finite values out
    return [value for value in values if -LARGEST < value < LARGEST]


def _linear(low: float, high: float, rows: int, cut: float | None) -> Axis:
    """The ends are the data's own (the rows are few), save that a low end near zero is zero."""
    if not high - low > max(SMALLEST, 1e-9 * max(abs(low), abs(high))):
        margin = abs(high) * 0.1 if abs(high) > SMALLEST else 1.0
        low, high = low - margin, high + margin
    if 0 < low < 0.15 * high:
        low = 0.0
    step = nice((high - low) * TICK_ROWS / max(1, rows - 1))
    if high - low < step:
        step /= 2 if f"{step:e}"[0] in "12" else 2.5
    # The ends move by eighths of a tick: each new minimum would otherwise shift the whole picture.
    low, high = _outward(low, high, step / 8)
    first = math.ceil(low / step - 1e-6)
    amount = min(50, math.floor(high / step + 1e-6) - first + 1)
    ticks = [(max(low, min(high, (first + i) * step)), _label((first + i) * step, step)) for i in range(amount)]
    return Axis(low, high, False, tuple(ticks), cut)


def _outward(low: float, high: float, unit: float) -> tuple[float, float]:
    """The ends moved apart to multiples of `unit`."""
    return math.floor(low / unit + 1e-6) * unit, math.ceil(high / unit - 1e-6) * unit


def _label(value: float, step: float) -> str:
    if abs(value) < step * 1e-6:
        return "0"
    if not 1e-3 <= step < 1e4 or abs(value) >= 1e4:
        return number(value)
    digits = max(0, -math.floor(math.log10(step) + 1e-9))
    if round(step, digits) != step and digits < 6 and abs(round(step, digits) - step) > 1e-9 * step:
        digits += 1  # 2.5, 0.25
    return f"{value:,.{digits}f}"


def _logarithmic(low: float, high: float, rows: int) -> Axis:
    if high - low < 0.1:
        low, high = low - 0.05, high + 0.05
    low, high = _outward(low, high, 0.05)
    most = max(2, rows // 3)
    ticks: list[tuple[float, str]] = []
    for factors in ((1, 2, 5), (1, 3), (1,)):
        ticks = _decades(low, high, factors)
        if 2 <= len(ticks) <= most:
            return Axis(low, high, True, ticks)
    if len(ticks) > most:
        return Axis(low, high, True, ticks[:: -(-len(ticks) // most)])
    amount = max(2, rows // 5 + 1)
    even = [low + index * (high - low) / (amount - 1) for index in range(amount)]
    return Axis(low, high, True, tuple((tick, number(10.0**tick)) for tick in even))


def _decades(low: float, high: float, factors: Sequence[int]) -> list[tuple[float, str]]:
    """The values 1·10ⁿ (and other factors) within the ends, as exponents of ten."""
    powers = range(math.floor(low) - 1, math.ceil(high) + 1)
    ticks = [(power + math.log10(factor), factor, power) for power in powers for factor in factors]
    return [(tick, _power(factor, power)) for tick, factor, power in ticks if low - 1e-9 <= tick <= high + 1e-9]


def _power(factor: int, power: int) -> str:
    return f"{factor * 10.0**power:g}" if -3 <= power < 4 else f"{factor}e{power}"


def horizontal(first: float, last: float, columns: int) -> list[tuple[float, str]]:
    """Ticks of a step axis with their labels, one about every twelve columns; whole steps only."""
    step = max(1.0, nice(max(last - first, 1) / max(2, columns // 12)))
    tick = math.ceil(first / step - 1e-9) * step
    ticks: list[tuple[float, str]] = []
    while tick <= last + 1e-9 and len(ticks) < 100:
        ticks.append((tick, short_count(tick)))
        tick += step
    return ticks
