"""How far a curve wanders by itself: what a difference between two runs has to exceed before it says anything."""

from __future__ import annotations

import math
from collections.abc import Sequence

BLOCKS = 8  # the last part of a curve is looked at in so many parts
LEAST_VALUES = 16  # of a curve of many values
LEAST_SINGLE = 4  # of evaluations, which are few and already means
LAST_PART = 4  # the last quarter of a curve
FACTOR = 2.0  # differences beyond 2 standard deviations are marked


def detrended(values: Sequence[float]) -> float | None:
    """Standard deviation around the straight line that fits best; None for fewer than 4 values."""
    size = len(values)
    if size < LEAST_SINGLE:
        return None
    middle, mean = (size - 1) / 2, math.fsum(values) / size
    spread = math.fsum((at - middle) ** 2 for at in range(size))
    slope = math.fsum((at - middle) * (value - mean) for at, value in enumerate(values)) / spread
    rest = [value - mean - slope * (at - middle) for at, value in enumerate(values)]
    return math.sqrt(math.fsum(value * value for value in rest) / (size - 2))


def deviation(values: Sequence[float]) -> float | None:
    """Standard deviation of independent values, such as those of several seeds; None for fewer than 2."""
    if len(values) < 2:
        return None
    mean = math.fsum(values) / len(values)
    return math.sqrt(math.fsum((value - mean) ** 2 for value in values) / (len(values) - 1))


def settled(values: Sequence[float]) -> tuple[float | None, float | None]:
    """(value, noise) at the end of a curve of many values: the mean of the last eighth of its last quarter, and how
    far such means lie from a straight line through them.

    The means of parts, not single values: what changes from batch to batch averages out, what is left is the slow
    wandering, which is what another run differs by. A short curve gives its last value, without a noise.
    """
    last = list(values[-max(LEAST_VALUES, len(values) // LAST_PART) :])
    if not last:
        return None, None
    if len(last) < LEAST_VALUES:
        return last[-1], None
    edges = [round(part * len(last) / BLOCKS) for part in range(BLOCKS + 1)]
    means = [math.fsum(last[start:end]) / (end - start) for start, end in zip(edges, edges[1:], strict=False)]
    return means[-1], detrended(means)


def single(values: Sequence[float]) -> tuple[float | None, float | None]:
    """(value, noise) of values that are few, such as evaluations: the last one, and the deviation of the later half
    (at least 4) from a straight line."""
    if not values:
        return None, None
    later = values[-max(LEAST_SINGLE, len(values) // 2) :]
    return values[-1], detrended(later)


def factor_of(freedom: int) -> float:
    """How many standard errors a difference between means of few seeds must exceed: Student's t at 97.5 %."""
    return next((factor for most, factor in _STUDENT if freedom <= most), FACTOR)


# (degrees of freedom up to which it holds, quantile); from 21 on 2 is close enough.
_STUDENT = ((1, 12.71), (2, 4.30), (3, 3.18), (4, 2.78), (5, 2.57), (6, 2.45), (8, 2.36), (12, 2.26), (20, 2.16))


def beyond(difference: float, *noises: float | None, factor: float = FACTOR) -> bool | None:
    """Whether a difference exceeds `factor` times the noise of what it lies between; None where no noise is known."""
    known = [noise for noise in noises if noise is not None]
    if not known or not math.isfinite(difference):
        return None
    # Where one of the two is too short to tell, it is taken to be as noisy as the other.
    total = math.fsum(noise * noise for noise in known) * len(noises) / len(known)
    return abs(difference) > factor * math.sqrt(total)
