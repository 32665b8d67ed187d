"""The verdict of the learning-rate sweep: where the loss falls fastest, where it leaves, and the script's own rate."""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import mean, median
from typing import Any

from dlmon import text
from dlmon.rehearsal.report import FAIL, INCONCLUSIVE, PASS, StageReport
from dlmon.rehearsal.stage_run import StageRun
from dlmon.rehearsal.stages import plan_of
from dlmon.rehearsal.verdicts import rates
from dlmon.rehearsal.verdicts.common import (
    advised,
    crash_of,
    go_on,
    make_report,
    not_applicable,
    standing,
    stopped,
    thinned,
    told,
)
from dlmon.rehearsal.verdicts.learning import main_series
from dlmon.state.snapshot import SeriesView

FEWEST = 20  # rates below which no curve is read
START = 15  # losses at the lowest rates, where nothing is learned yet
WINDOW = 9  # losses that are averaged: a third of a decade, each of another mini-batch
REACH = (10**-0.5, 10**0.5)  # a decade around a rate: what its slope is read from
LOST = 0.5  # of what was gained, given back for good: the loss has left
SURE = 3  # losses in a row above it
GAINED = 0.05  # of the first loss: the least fall that counts
BELOW_LOWEST = 10.0  # × below the rate of the lowest loss at the most: closer to it the loss is about to leave
MUCH_SLOWER = 30.0  # × below the suggestion: a sweep sees each rate for a step only, and favours large ones


@dataclass(frozen=True)
class Sweep:
    """A smoothed loss over the learning rate. suggestion: where it falls fastest. divergence: from where on it is
    lost, None where it never was. gained: part of the first loss that was lost at best."""

    lr: list[float]
    loss: list[float]
    suggestion: float
    divergence: float | None
    gained: float


def judge(run: StageRun) -> StageReport:
    """Never fails a script for its rate: only where no rate at all makes the loss fall."""
    early = not_applicable(run)
    if early is not None:
        return early
    series = main_series(run)
    points = _points(run, series[0]) if len(series) == 1 else []
    evidence: dict[str, Any] = {"curves": {"loss over learning rate": thinned(points)}, "lr": rates.own_rate(run)}
    crash = crash_of(standing(run))
    if run.aborted or (run.timed_out and len(points) < FEWEST):
        return stopped(run, evidence=evidence)
    if len(series) > 1:
        names = ", ".join(line.name for line in series)
        return make_report(
            run, INCONCLUSIVE, f"{len(series)} losses go backward ({names}): no one curve to read a rate from",
            "Sweep each optimizer's rate by hand.", evidence=evidence,
        )  # fmt: skip
    if len(points) < FEWEST:
        why = f"the script stopped: {told(crash)}" if crash else f"only {len(points)} rates were tried"
        return make_report(
            run, INCONCLUSIVE, why, advised(crash) if crash else "Let the script go on for longer.", evidence=evidence
        )
    return _read(run, points, evidence)


def _points(run: StageRun, series: SeriesView) -> list[tuple[float, float]]:
    """(rate, raw loss), NaN and infinities included, in the order of the sweep."""
    used = rates.rates_by_step(run)
    plan = plan_of(run.name, run.options)
    swept = bool(used) and max(used.values()) > 10 * max(min(used.values()), 1e-300)
    points = []
    for step, value in sorted({**dict(series.first), **dict(series.recent)}.items()):
        if swept:
            lr = used.get(step)
        elif plan is not None and plan.steps > 1:  # a schedule's own value was noted: the plan says what was used
            lr = plan.lr_low * (plan.lr_high / plan.lr_low) ** (step / (plan.steps - 1))
        else:
            lr = None
        if lr is not None and lr > 0:
            points.append((lr, value))
    return points


def _read(run: StageRun, points: list[tuple[float, float]], evidence: dict[str, Any]) -> StageReport:
    own = rates.own_rate(run)
    note = run.ended_by_stage
    swept = sweep_of(points, left=note is not None and note.reason == "certain")
    mine = f"; the script's own rate is {text.setting(own)}" if own is not None else ""
    if swept is None:
        return make_report(
            run, FAIL, f"the loss falls at no learning rate from {points[0][0]:.1g} to {points[-1][0]:.1g}{mine}",
            "Look at the model, the loss and the optimizer: nothing that was tried learns.", evidence=evidence,
        )  # fmt: skip
    evidence = evidence | {
        "suggestion": swept.suggestion, "divergence": swept.divergence, "gained": swept.gained,
        "smoothed": thinned(list(zip(swept.lr, swept.loss, strict=True))),
    }  # fmt: skip
    leaves = f"is lost at {_rate(swept.divergence)}" if swept.divergence else "is lost nowhere"
    line = f"learns best near {_rate(swept.suggestion)}, {leaves}{mine}"
    if own is None:
        return make_report(
            run, INCONCLUSIVE, f"{line}; the script's own rate is not known",
            f"Try about {_rate(swept.suggestion)}.", evidence=evidence,
        )  # fmt: skip
    return _compare(run, swept, own, line, evidence)


def _compare(run: StageRun, swept: Sweep, own: float, line: str, evidence: dict[str, Any]) -> StageReport:
    if swept.divergence is not None and own > swept.divergence / 2:
        close = f"{text.setting(own)} is too close to where the loss leaves"
        say = f"Lower the learning rate to about {_rate(swept.suggestion)}: {close}."
        return make_report(run, INCONCLUSIVE, line, say, evidence=evidence)
    if own < swept.suggestion / MUCH_SLOWER:
        say = f"A larger rate would learn faster: try about {_rate(swept.suggestion)}."
        return make_report(run, INCONCLUSIVE, line, say, evidence=evidence)
    return make_report(run, PASS, line, go_on(run), evidence=evidence)


def _rate(value: float) -> str:
    """Two digits: more are not in the curve."""
    return text.setting(float(f"{value:.2g}"))


def sweep_of(points: list[tuple[float, float]], *, left: bool = False) -> Sweep | None:
    """None where the loss falls nowhere by more than its noise. left: the stage saw the loss leave and ended there."""
    finite = [(lr, loss) for lr, loss in points if math.isfinite(loss)]
    if len(finite) < FEWEST:
        return None
    lr, raw = [rate for rate, _ in finite], [loss for _, loss in finite]
    loss = _smooth(raw)
    start = median(raw[:START])
    lowest = min(range(len(loss)), key=loss.__getitem__)
    noise = median(abs(b - a) for a, b in zip(raw[:START], raw[1:START], strict=False)) / math.sqrt(WINDOW)
    gain = start - loss[lowest]
    if gain <= max(GAINED * abs(start), noise) or lowest < WINDOW:
        return None
    slopes = [_slope(lr, raw, i) for i in range(lowest + 1)]
    steepest = lr[min(range(len(slopes)), key=slopes.__getitem__)]
    lost = _divergence(points, lr[lowest], loss[lowest] + LOST * gain, left)
    return Sweep(lr, loss, min(steepest, lr[lowest] / BELOW_LOWEST), lost, gain / abs(start) if start else 0.0)


def _divergence(points: list[tuple[float, float]], lowest: float, limit: float, left: bool) -> float | None:
    """The first rate behind the lowest loss from which on every loss is above the limit, or is not a number."""
    tail: list[float] = []
    for lr, loss in reversed(points):
        if lr <= lowest or loss <= limit:
            break
        tail.append(lr)
    if left:
        return tail[-1] if tail else points[-1][0]
    return tail[-1] if len(tail) >= SURE else None


def _smooth(values: list[float]) -> list[float]:
    """Means over `WINDOW` of medians of three: a single wild loss does not bend the curve."""
    middles = [median(values[max(0, i - 1) : i + 2]) for i in range(len(values))]
    half = WINDOW // 2
    return [mean(middles[max(0, i - half) : i + half + 1]) for i in range(len(values))]


def _slope(lr: list[float], loss: list[float], i: int) -> float:
    """Of the straight line through the losses within half a decade, over ln of the rate."""
    near = [(math.log(x), y) for x, y in zip(lr, loss, strict=True) if REACH[0] * lr[i] <= x <= REACH[1] * lr[i]]
    middle, level = mean(x for x, _ in near), mean(y for _, y in near)
    width = sum((x - middle) ** 2 for x, _ in near)
    return sum((x - middle) * (y - level) for x, y in near) / width if width else 0.0
