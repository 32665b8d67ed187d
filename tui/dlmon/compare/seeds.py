"""Runs that share everything but the seed: the spread of their results is the noise that counts."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from dlmon.compare import noise
from dlmon.compare.metrics import Metric, Reading


@dataclass(frozen=True)
class Group:
    """members: places of its runs in the comparison, the first one speaks for it."""

    members: Sequence[int]

    @property
    def several(self) -> bool:
        return len(self.members) > 1


def groups(size: int, alike: Callable[[int, int], bool]) -> list[Group]:
    """The runs in groups. alike: whether two of them differ in nothing but the seed."""
    found: list[list[int]] = []
    for place in range(size):
        home = next((members for members in found if alike(members[0], place)), None)
        if home is None:
            found.append([place])
        else:
            home.append(place)
    return [Group(tuple(members)) for members in found]


def over_seeds(metric: Metric, found: Sequence[Group]) -> Metric:
    """The row with one reading for each group: the mean over its runs, and the standard error of that mean.

    A group of one run borrows the largest spread among the others: a single run says nothing of its own.
    """
    spreads = [_spread(metric, group) for group in found]
    widest = max((spread for spread in spreads if spread is not None), default=None)
    readings = []
    for group, spread in zip(found, spreads, strict=True):
        values = _values(metric, group)
        used = spread if spread is not None else widest
        mean = math.fsum(values) / len(values) if values else None
        readings.append(Reading(mean, used / math.sqrt(len(values)) if used is not None and values else None))
    freedom = sum(max(0, len(_values(metric, group)) - 1) for group in found)
    return replace(metric, readings=tuple(readings), factor=noise.factor_of(max(1, freedom)))


def with_spread(metric: Metric, found: Sequence[Group]) -> Metric:
    """The row as it was, each reading with the spread over seeds where that exceeds its run's own noise."""
    spreads = {place: _spread(metric, group) for group in found for place in group.members}
    widest = max((spread for spread in spreads.values() if spread is not None), default=None)
    readings = []
    for place, reading in enumerate(metric.readings):
        known = [value for value in (reading.noise, spreads.get(place) or widest) if value is not None]
        readings.append(replace(reading, noise=max(known, default=None)))
    return replace(metric, readings=tuple(readings))


def _values(metric: Metric, group: Group) -> list[float]:
    values = [metric.readings[place].value for place in group.members]
    return [value for value in values if value is not None and math.isfinite(value)]


def _spread(metric: Metric, group: Group) -> float | None:
    return noise.deviation(_values(metric, group))
