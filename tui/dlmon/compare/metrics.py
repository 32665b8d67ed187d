"""Numbers that came out of the runs, laid beside each other: at the end, at their best, at one step."""

from __future__ import annotations

import math
import re
from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from dlmon.compare import noise
from dlmon.compare.side import Side
from dlmon.state.snapshot import SeriesView
from dlmon.text import count

END, BEST, AT_STEP = "end", "best", "at step"
TRAIN, VALIDATION, TEST, GRADIENT = "train", "val", "test", "gradient norm"
MANY = 64  # a series with more values than this is a curve, and judged by the means of its parts

_HIGHER = re.compile(
    r"acc|auc|f1|precision|recall|iou|\bmap\b|bleu|rouge|reward|return|score|r2|psnr|ssim|dice|top.?\d", re.I
)
_LOWER = re.compile(r"loss|err|perplexity|\bppl\b|mae|mse|nll|wer|cer|kl|divergence", re.I)


@dataclass(frozen=True)
class Reading:
    """A number of one run. noise: standard deviation, None where it cannot be told. step: where it was read."""

    value: float | None = None
    noise: float | None = None
    step: int | None = None


@dataclass(frozen=True)
class Metric:
    """One row. what: END, BEST or AT_STEP. higher: whether more is better, None where that is not known. factor: how
    many times the noise a difference has to exceed. alike: places of runs that differ from the first in nothing but
    the seed, so that whatever they differ by is noise."""

    name: str
    what: str
    readings: Sequence[Reading]
    higher: bool | None = None
    step: int | None = None
    factor: float = noise.FACTOR
    alike: frozenset[int] = frozenset()

    @property
    def label(self) -> str:
        what = f", {self.what}" if self.what else ""
        return f"{self.name}{what}{f' {count(self.step)}' if self.step is not None else ''}"


@dataclass(frozen=True)
class Delta:
    """A reading against the baseline's. beyond: more than their noise; None where no noise is known. better: None
    where it is not known what is better, or nothing can be said."""

    difference: float | None
    share: float | None
    beyond: bool | None
    better: bool | None


def delta(metric: Metric, other: int) -> Delta:
    """Of the run at place `other` against the first one."""
    one, two = metric.readings[0], metric.readings[other]
    if one.value is None or two.value is None:
        return Delta(None, None, None, None)
    difference = two.value - one.value
    if not math.isfinite(difference):
        worse = math.isfinite(one.value) != math.isfinite(two.value)
        return Delta(None, None, worse or None, math.isfinite(two.value) if worse else None)
    share = difference / abs(one.value) if one.value else None
    same = not difference or other in metric.alike
    beyond = False if same else noise.beyond(difference, one.noise, two.noise, factor=metric.factor)
    better = None if metric.higher is None or not difference else (difference > 0) == metric.higher
    return Delta(difference, share, beyond, better)


def higher_is_better(name: str) -> bool | None:
    """By its name; None where that does not tell."""
    if _LOWER.search(name):
        return False
    return True if _HIGHER.search(name) else None


def named_series(side: Side) -> dict[str, SeriesView]:
    """The series of a run by the name under which it is compared: the only loss of a run is `train loss`, whatever the
    script calls it; those of an evaluation have their name everywhere (`val loss`, `test loss`)."""
    found: dict[str, SeriesView] = {}
    counted = [series for series in side.snapshot.series if series.count]
    losses = [series for series in counted if series.source == "loss"]
    for series in counted:
        if series.source == "loss":
            name = f"{TRAIN} loss" if len(losses) == 1 else f"{TRAIN} {series.name}"
        elif series.name == "samples" and series.source != "evaluation":
            continue  # rows of the batch, in a table that an export wrote: nothing that came of the training
        else:
            name = series.name
        found.setdefault(name, series)
    return found


def metrics(sides: Sequence[Side]) -> list[Metric]:
    """Rows for each series that at least one run has: at the end, at the last step that all of them reached (where
    they are of different lengths), and the best value."""
    named = [named_series(side) for side in sides]
    names = sorted(dict.fromkeys(name for found in named for name in found), key=_order)
    rows: list[Metric] = []
    for name in names:
        series = [found.get(name) for found in named]
        rows += _rows(name, series)
    sizes = [{f"{one.label} accuracy": one.event.samples for one in side.snapshot.evaluations} for side in sides]
    known = {name for found in sizes for name in found}
    return [
        _with_sampling(row, [found.get(row.name, 0) for found in sizes]) if row.name in known else row for row in rows
    ]


def _with_sampling(row: Metric, samples: Sequence[int]) -> Metric:
    """A share of n samples is known to √(p(1 - p)/n) only, however steady it is from pass to pass."""
    readings = []
    for one, amount in zip(row.readings, samples, strict=True):
        sampling = 0.0
        if one.value is not None and 0 <= one.value <= 1 and amount > 0:
            sampling = math.sqrt(one.value * (1 - one.value) / amount)
        readings.append(replace(one, noise=math.hypot(one.noise or 0.0, sampling)) if sampling else one)
    return replace(row, readings=tuple(readings))


def _rows(name: str, series: Sequence[SeriesView | None]) -> list[Metric]:
    higher = higher_is_better(name)
    there = [one for one in series if one is not None]
    rows = [Metric(name, END, _each(series, lambda one: reading(one)), higher)]
    common = min(one.last_step for one in there)
    if len(there) > 1 and common != max(one.last_step for one in there) and common > 0:
        rows.append(Metric(name, AT_STEP, _each(series, lambda one: reading(one, common)), higher, common))
    if higher is not None and name != GRADIENT:
        rows.append(Metric(name, BEST, _each(series, lambda one: best(one, higher)), higher))
    return rows


def _each(series: Sequence[SeriesView | None], read: Callable[[SeriesView], Reading]) -> tuple[Reading, ...]:
    return tuple(Reading() if one is None else read(one) for one in series)


def _order(name: str) -> tuple[int, str]:
    """Validation first: it is what runs are compared by."""
    first = (VALIDATION, TEST, TRAIN)
    place = next((place for place, word in enumerate(first) if name.startswith(word)), len(first))
    return place + (name == GRADIENT), name


def reading(series: SeriesView, upto: int | None = None) -> Reading:
    """The value at the end, or at a step, with its noise. NaN where the run ended in it."""
    if upto is None and series.last is not None and not math.isfinite(series.last):
        return Reading(series.last, None, series.last_step)
    steps, values = _course(series)
    size = len(steps) if upto is None else bisect_right(steps, upto)
    read = noise.settled if series.count > MANY else noise.single
    value, deviation = read(values[:size])
    return Reading(value, deviation, steps[size - 1] if size else None)


def _course(series: SeriesView) -> tuple[Sequence[int], Sequence[float]]:
    """Steps and values: raw where they are kept, else the means of the buckets."""
    if series.count <= len(series.recent):
        known = [(step, value) for step, value in series.recent if math.isfinite(value)]
        return [step for step, _ in known], [value for _, value in known]
    return series.points.step, series.points.mean


def best(series: SeriesView, higher: bool) -> Reading:
    """The best value: of a curve that of its average, since a single batch is easily lucky."""
    steps, values = _course(series)
    if series.count > MANY and series.smoothed:
        steps, values = series.points.step, series.smoothed
    if not values:
        return Reading()
    place = (max if higher else min)(range(len(values)), key=lambda at: values[at])
    return Reading(values[place], reading(series).noise, steps[place])
