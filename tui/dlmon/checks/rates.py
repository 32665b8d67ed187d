"""Learning rates that are too high, too low or zero, read off what they do to the weights."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from statistics import median

from dlmon.checks.facts import Lacking, finite, leader
from dlmon.checks.finding import ERROR, WARNING, Finding
from dlmon.checks.gradients import loss_suffers
from dlmon.checks.registry import TREND, check
from dlmon.checks.samples import History, by_optimizer, histories
from dlmon.state.snapshot import RankFacts, RunSnapshot, SeriesView

LARGE_UPDATE = 0.1  # |Δw|/|w|, median over the layers and LR_SAMPLES samples; healthy is about 1e-3
LR_SAMPLES = 20
LR_STEPS = 20
NO_GAIN = 0.9  # × the first loss: what a sound rate is well below after that many steps
GROSS_UPDATE = 0.3  # a third of the weights' size and more at each of the first steps …
GROSS_SAMPLES = 3
GROSS_LOSS = 10.0  # … and a loss that shot up to many times its start
SMALL_UPDATE = 1e-5  # |Δw|/|w| below which a hundred steps move weights by less than a thousandth …
SMALL_SAMPLES = 8
SMALL_STEPS = 100
NO_CHANGE = 0.02  # … and the loss by less than this share of itself
ZERO_SAMPLES = 5
ZERO_STEPS = 20  # warm-ups that start at 0 have left it by then


@check(
    "loop.lr_extreme",
    needs="updates of 3 to 20 sampled steps, and a loss",
    explains=("grads.exploding", "grads.nonfinite", "loop.params_frozen_unintended", *TREND),
)
def lr_extreme(snapshot: RunSnapshot) -> Iterator[Finding]:
    facts = leader(snapshot)
    lines = [line for line in snapshot.series if line.source == "loss" and line.count]
    if not lines:
        raise Lacking("no loss was seen yet")
    for optimizer, rows in by_optimizer(histories(facts)).items():
        ratios = _ratios([row.update for row in rows if row.matrix and row.parameter.numel >= 16])
        gross = len(ratios) >= GROSS_SAMPLES and _gross(ratios, lines)
        if gross or (len(ratios) >= LR_SAMPLES and snapshot.step >= LR_STEPS and _too_large(ratios, snapshot, lines)):
            yield _lr_extreme(facts, snapshot, optimizer, ratios, lines[0])
        elif not facts.stage and len(lines) == 1:
            yield from _too_small(facts, snapshot, optimizer, rows, lines[0])


def _ratios(updates: Sequence[Sequence[float | None]]) -> list[float]:
    """By sample, the median over the layers of |Δw|/|w|; samples without any are left out."""
    length = max((len(column) for column in updates), default=0)
    medians = []
    for i in range(length):
        good = finite(column[i] for column in updates if i < len(column))
        if good:
            medians.append(median(good))
    return medians


def _gross(ratios: list[float], lines: Sequence[SeriesView]) -> bool:
    """Weights replaced at each of the first samples, and the loss shot up: no need to wait for more."""
    return all(ratio > GROSS_UPDATE for ratio in ratios[:GROSS_SAMPLES]) and any(map(_shot_up, lines))


def _shot_up(line: SeriesView) -> bool:
    """True if one of the first losses was many times the very first, or not a number."""
    values = [value for _, value in line.first]
    if not values or not values[0] > 0:
        return False
    return any(not math.isfinite(value) or value > GROSS_LOSS * values[0] for value in values)


def _too_large(ratios: list[float], snapshot: RunSnapshot, lines: Sequence[SeriesView]) -> bool:
    if median(ratios[-LR_SAMPLES:]) <= LARGE_UPDATE or len(lines) > 1:
        return False  # several opposing losses (GAN, actor and critic) need not fall
    first = finite(value for _, value in lines[0].first[:3])
    late = finite(value for _, value in lines[0].recent[-LR_STEPS:])
    no_gain = bool(first) and bool(late) and median(late) > NO_GAIN * median(first) > 0
    return no_gain or loss_suffers(snapshot)


def _recovered(line: SeriesView) -> bool:
    first = finite(value for _, value in line.first[:1])
    late = finite(value for _, value in line.recent[-LR_STEPS:])
    return bool(first and late) and median(late) < NO_GAIN * first[0] and not line.points.nonfinite


def _lr_extreme(
    facts: RankFacts, snapshot: RunSnapshot, optimizer: int, ratios: list[float], line: SeriesView
) -> Finding:
    # A run that diverged stands still in the end: told are the samples in which the rate was too high.
    typical = median([ratio for ratio in ratios if ratio > LARGE_UPDATE] or ratios)
    known = next((o for o in facts.optimizers if o.index == optimizer), None)
    lr = known.groups[0].options.get("lr") if known and known.groups else snapshot.lr
    rate = f" (lr {lr:.3g})" if isinstance(lr, (int, float)) else ""
    first = finite(value for _, value in line.first[:1])
    went = ""
    if first and line.last is not None:
        how = "fell only" if line.last < first[0] else "went"
        went = f"; {line.name} {how} from {first[0]:.3g} to {line.last:.3g}"
    return Finding(
        id="loop.lr_extreme",
        severity=ERROR if typical > GROSS_UPDATE and not _recovered(line) else WARNING,
        title=f"the learning rate is too high{rate}: each step changes weights by {typical:.0%} of their size{went}",
        advice="Divide it by 10 to 100, until steps change weights by about 0.1 % (|Δw|/|w| near 1e-3).",
        step=0,
        rank=facts.rank,
        where=known.where if known else None,
        evidence={
            "subject": str(optimizer),
            "update_ratio": typical,
            "samples": len(ratios),
            "lr": lr if isinstance(lr, (int, float)) else None,
            "first_loss": first[0] if first else None,
            "last_loss": None if line.last is None or not math.isfinite(line.last) else line.last,
        },
    )


def _too_small(
    facts: RankFacts, snapshot: RunSnapshot, optimizer: int, rows: Sequence[History], line: SeriesView
) -> Iterator[Finding]:
    """Every weight gets a gradient and the steps do next to nothing to any, from the start on."""
    matrices = [row for row in rows if row.matrix and row.parameter.numel >= 16]
    if not matrices or not all(any(norm for norm in row.norm) for row in matrices):
        return
    ratios = _ratios([row.update for row in matrices])
    rates = finite(facts.rows.get("lr", ()))
    zero = len(ratios) >= ZERO_SAMPLES and snapshot.step >= ZERO_STEPS and not any(ratios)
    small = len(ratios) >= SMALL_SAMPLES and snapshot.step >= SMALL_STEPS and max(ratios) < SMALL_UPDATE
    if zero and rates and not any(rates[-ZERO_STEPS:]):
        yield _small(facts, optimizer, 0.0, f"the learning rate is 0: {snapshot.step} steps changed nothing", ratios)
    elif small and rates and max(rates) <= 2 * min(rates) and _unchanged(line) and not _half(matrices):
        typical = median(ratios)
        told = (
            f"the learning rate is too low (lr {rates[-1]:.3g}): each step changes weights by {typical:.1g} of their "
            f"size, and {line.name} changed by less than {NO_CHANGE:.0%} in {snapshot.step} steps"
        )
        yield _small(facts, optimizer, rates[-1], told, ratios)


def _unchanged(line: SeriesView) -> bool:
    first, late = finite(value for _, value in line.first[:16]), finite(value for _, value in line.recent[-32:])
    if len(first) < 8 or len(late) < 8:
        return False
    was, now = median(first), median(late)
    noise = max(first) - min(first)
    return was > 0 and abs(now - was) < NO_CHANGE * was + 0.1 * noise


def _half(rows: Sequence[History]) -> bool:
    """Updates of weights in 16 bits are lost below half a unit in the last place, whatever the rate."""
    return any(row.parameter.dtype in ("bfloat16", "float16") for row in rows)


def _small(facts: RankFacts, optimizer: int, lr: float, told: str, ratios: Sequence[float]) -> Finding:
    known = next((o for o in facts.optimizers if o.index == optimizer), None)
    return Finding(
        id="loop.lr_extreme",
        severity=WARNING if lr else ERROR,
        title=told,
        advice="Raise it ten times and again, until steps change weights by about 0.1 % (|Δw|/|w| near 1e-3).",
        step=0,
        rank=facts.rank,
        where=known.where if known else None,
        evidence={"subject": str(optimizer), "update_ratio": median(ratios), "samples": len(ratios), "lr": lr},
    )
