"""Where a loss goes: nowhere, up, to and fro, or off in spikes. Judged against the loss's own noise.

Silent for programs with several losses (GANs, actor and critic need not fall), in warm-ups, and over few steps.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from statistics import median

from dlmon.checks.facts import Lacking, finite, leader
from dlmon.checks.finding import HINT, WARNING, Finding
from dlmon.checks.registry import check
from dlmon.state.expected_loss import Expectation, expected_loss, main_loss
from dlmon.state.snapshot import RankFacts, RunSnapshot, SeriesView

RISING = 1.5  # × the rate in the middle of what was seen: a ramp that has not ended
CONSTANT_STEPS = 50
CONSTANT = 1e-7  # of its size: float32's own last place
FLAT_STEPS = 150
PLAIN_FLAT_STEPS = 300  # where nothing but the course itself speaks
FALLEN = 0.02  # of the first losses: less than this is no fall
CHANCE = 0.97  # × the loss of an untrained model
ERRORS = 2.0  # standard errors of a difference of medians
UP_STEPS = 60
UP = 3.0  # × its first and its lowest values
SWING_STEPS = 60
SWING = 0.7  # correlation with itself: −0.7 at one step's distance and +0.7 at two
SWING_SIZE = 0.2  # of the mean
SPIKE_STEPS = 60
SPIKE = 5.0  # × the median around it
SPIKE_NOISE = 20.0  # × the usual deviation
NEEDS = "the loss of one training series"


def lone(snapshot: RunSnapshot, steps: int) -> tuple[RankFacts, SeriesView, list[float]]:
    """The only loss there is and its values (raw ones, or the means of buckets in long runs)."""
    facts = leader(snapshot)
    lines = [line for line in snapshot.series if line.source == "loss" and line.count]
    if len(lines) != 1:
        raise Lacking("no loss yet" if not lines else "several losses: they need not fall")
    line = lines[0]
    if line.count < steps:
        raise Lacking(f"fewer than {steps} steps yet")
    if line.points.nonfinite:
        raise Lacking("the loss is not finite")
    early, late = finite(v for _, v in line.first[:5]), finite(v for _, v in line.recent)
    values = late if line.count <= len(line.recent) else finite(line.points.mean)
    if len(values) < 20 or not early or not late or not line.points.low or not line.points.high:
        raise Lacking("too few values")
    return facts, line, values


def supervised(facts: RankFacts) -> bool:
    """A known loss against targets, fed by a loader: its course means something. (Losses of policies do not.)"""
    return bool(facts.loaders) and any(main_loss(graph) is not None for graph in facts.graphs)


def still_warming_up(facts: RankFacts) -> bool:
    """The learning rate rises through most of what was seen, or is zero."""
    rates = finite(facts.rows.get("lr", ()))
    return bool(rates) and (rates[-1] == 0 or rates[-1] > RISING * rates[len(rates) // 2])


def _finding(
    facts: RankFacts, line: SeriesView, id: str, severity: str, title: str, advice: str, **more: object
) -> Finding:
    return Finding(
        id=id, severity=severity, title=title, advice=advice, step=line.last_step, rank=facts.rank, where=line.where,
        evidence={"subject": line.name, "steps": line.count, **more},
    )  # fmt: skip


@check("loss.constant", needs=f"{NEEDS}, {CONSTANT_STEPS} steps", explains=("loss.not_decreasing",))
def constant(snapshot: RunSnapshot) -> Iterator[Finding]:
    facts, line, _ = lone(snapshot, CONSTANT_STEPS)
    low, high = min(line.points.low), max(line.points.high)
    rates = finite(facts.rows.get("lr", ()))
    if low == 0 == high or high - low > CONSTANT * abs(high) or (rates and max(rates) == 0):
        return
    yield _finding(
        facts, line, "loss.constant", WARNING if supervised(facts) else HINT,
        f"{line.name} is {line.last:.6g} at each of {line.count} steps",
        "Nothing changes it: look for gradients of zero, for a step on another model's parameters, and for a loss that "
        "does not depend on the prediction.",
        value=line.last,
    )  # fmt: skip


@check("loss.not_decreasing", needs=f"{NEEDS}, {FLAT_STEPS} steps")
def not_decreasing(snapshot: RunSnapshot) -> Iterator[Finding]:
    facts, line, values = lone(snapshot, FLAT_STEPS)
    if still_warming_up(facts):
        raise Lacking("the learning rate is still rising")
    pieces = [values[i * len(values) // 5 : (i + 1) * len(values) // 5] for i in range(5)]
    middles = [median(piece) for piece in pieces]
    start, first = middles[0], median(finite(v for _, v in line.first[:3]) or [middles[0]])
    # Five medians of one and the same thing spread by about one error each: only a fall of the lowest counts.
    room = max(FALLEN * abs(start), ERRORS * _error(pieces[0], pieces[-1]))
    if start - min(middles) > room or first - min(middles) > max(0.1 * abs(first), 5 * room):
        return
    chance = _chance(facts)
    at_chance = chance is not None and chance.kind != "mse" and middles[-1] > CHANCE * chance.value
    if not at_chance and line.count < PLAIN_FLAT_STEPS:
        raise Lacking(f"fewer than {PLAIN_FLAT_STEPS} steps yet")
    told = f", where an untrained model is ({chance.text})" if at_chance and chance else ""
    yield _finding(
        facts, line, "loss.not_decreasing", WARNING if at_chance and supervised(facts) else HINT,
        f"{line.name} does not fall: {start:.4g} early, {middles[-1]:.4g} after {line.count} steps{told}",
        "Try one batch alone (dlmon check --stages overfit): if it can be learned, look at the labels' order and the "
        "learning rate; if not, at the model and the loss.",
        early=start, late=middles[-1], noise=_error(pieces[0], pieces[-1]),
    )  # fmt: skip


def _chance(facts: RankFacts) -> Expectation | None:
    return next((e for graph in facts.graphs if (e := expected_loss(graph)) is not None), None)


def _error(one: Sequence[float], other: Sequence[float]) -> float:
    """Standard error of the difference of two medians, from the values' own deviation."""
    return math.hypot(*(1.25 * _deviation(part) / math.sqrt(len(part)) for part in (one, other)))


def _deviation(values: Sequence[float]) -> float:
    middle = median(values)
    return 1.4826 * median(abs(value - middle) for value in values)


@check("loss.diverging", needs=f"{NEEDS}, {UP_STEPS} steps", explains=("loss.not_decreasing", "loss.spike"))
def diverging(snapshot: RunSnapshot) -> Iterator[Finding]:
    facts, line, values = lone(snapshot, UP_STEPS)
    tenth = max(3, len(values) // 10)
    late, before = median(values[-tenth:]), median(values[-2 * tenth : -tenth])
    first = median(finite(v for _, v in line.first[:5]))
    lowest = min(median(values[i : i + tenth]) for i in range(0, len(values) - tenth + 1, tenth))
    noise = _deviation(values[: len(values) // 2])
    if lowest < 0 or late < UP * max(first, lowest, 1e-12) or late - lowest < 10 * noise or late < 0.9 * before:
        return
    low = f"{lowest:.4g} at its lowest, " if lowest < first else ""
    yield _finding(
        facts, line, "loss.diverging", WARNING if supervised(facts) else HINT,
        f"{line.name} rises: {first:.4g} at first, {low}{late:.4g} now",
        "Lower the learning rate (try a tenth), clip gradients, and check the sign of the loss.",
        first=first, lowest=lowest, late=late,
    )  # fmt: skip


@check("loss.oscillating", needs=f"{NEEDS}, {SWING_STEPS} steps")
def oscillating(snapshot: RunSnapshot) -> Iterator[Finding]:
    facts, line, _ = lone(snapshot, SWING_STEPS)
    if any(loader.length in (2, 3, 4) for loader in facts.loaders.values()):
        raise Lacking("so few batches that the loss repeats with them")
    values = finite(v for _, v in line.recent)[-SWING_STEPS:]
    mean = sum(values) / len(values)
    rest = [value - mean for value in values]
    power = sum(value * value for value in rest)
    if power <= 0 or math.sqrt(power / len(rest)) < SWING_SIZE * abs(mean):
        return
    one, two = (sum(a * b for a, b in zip(rest, rest[k:], strict=False)) / power for k in (1, 2))
    if one < -SWING and two > SWING:
        yield _finding(
            facts, line, "loss.oscillating", HINT,
            f"{line.name} jumps to and fro from step to step, between {min(values):.4g} and {max(values):.4g}",
            "Steps overshoot the minimum: lower the learning rate, or the momentum.",
            low=min(values), high=max(values), correlation=one,
        )  # fmt: skip


@check("loss.spike", needs=f"{NEEDS}, {SPIKE_STEPS} steps")
def spike(snapshot: RunSnapshot) -> Iterator[Finding]:
    facts, line, _ = lone(snapshot, SPIKE_STEPS)
    rows = [(step, value) for step, value in line.recent if math.isfinite(value)][10:]
    values = [value for _, value in rows]
    if len(values) < SPIKE_STEPS // 2:
        raise Lacking("too few values")
    usual, noise = median(values), _deviation(values)
    if usual <= 0:
        return
    for i, (step, value) in enumerate(rows[5:], 5):
        around = median(values[max(0, i - 15) : i])
        if value > SPIKE * max(around, usual) and value - around > SPIKE_NOISE * noise:
            yield _finding(
                facts, line, "loss.spike", HINT,
                f"{line.name} shot up to {value:.4g} at step {step}, {value / max(around, 1e-12):.2g} times the usual",
                "Look at that batch (odd samples, empty targets); clipping gradients keeps one batch from doing harm.",
                at=step, value=value, around=around,
            )  # fmt: skip
            return
