"""What the values of the loss say."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from statistics import median

from dlmon.checks.facts import Lacking, backward_site, finite, leader
from dlmon.checks.finding import ERROR, HINT, WARNING, Finding
from dlmon.checks.gradients import loss_suffers
from dlmon.checks.registry import check
from dlmon.checks.samples import by_optimizer, histories
from dlmon.state.expected_loss import Expectation, expected_loss
from dlmon.state.snapshot import RankFacts, RunSnapshot, SeriesView
from dlmon_probes import events

RECOVERED = 20  # finite values in a row after which a NaN is an episode
# Default initialisations start within about 1.5 × the expectation, also with label smoothing and odd class counts.
HIGH = {"classes": 2.0, "binary": 3.0, "mse": 10.0}
HIGH_MARGIN = 1.0  # added: ln 2 doubled is nothing
GROSS = {"classes": 10.0, "binary": 15.0, "mse": 1000.0}
LARGE_UPDATE = 0.1  # |Δw|/|w|, median over the layers and LR_SAMPLES samples; healthy is about 1e-3
LR_SAMPLES = 20
LR_STEPS = 20
NO_GAIN = 0.9  # × the first loss: what a sound rate is well below after that many steps
GROSS_UPDATE = 0.3  # a third of the weights' size and more at each of the first steps …
GROSS_SAMPLES = 3
GROSS_LOSS = 10.0  # … and a loss that shot up to many times its start


@check("loss.nonfinite", needs="a loss", explains=())
def nonfinite(snapshot: RunSnapshot) -> Iterator[Finding]:
    series = [series for series in snapshot.series if series.source == "loss"]
    if not any(line.count for line in series):
        raise Lacking("no loss was seen yet")
    rank = snapshot.leader.rank if snapshot.leader else None
    for line in series:
        if line.points.nonfinite:
            yield _nonfinite(line, rank)


def _nonfinite(line: SeriesView, rank: int | None) -> Finding:
    first, count = line.points.nonfinite[0], len(line.points.nonfinite)
    values = dict(line.first) | dict(line.recent)
    value = values.get(first, float("nan"))
    word = "NaN" if math.isnan(value) else "infinite"
    before = next((v for step, v in sorted(values.items(), reverse=True) if step < first and math.isfinite(v)), None)
    since = [v for step, v in line.recent if step > line.points.nonfinite[-1]]
    passed = len(since) >= RECOVERED
    told = f" at {count} steps, first at step {first}" if passed else f" since step {first}"
    was = "" if before is None else f" (before: {before:.4g})"
    return Finding(
        id="loss.nonfinite",
        severity=WARNING if passed else ERROR,
        title=f"{line.name} is {word}{told}{was}",
        advice=(
            "Look for log or division of a value that can be 0, for exp of a large one and for float16 overflow; "
            "if the loss grew before, lower the learning rate and clip gradients."
        ),
        step=first,
        rank=rank,
        where=line.where,
        evidence={"subject": line.name, "first_step": first, "count": count, "value": str(value), "before": before},
    )


@check("loss.initial_value", needs="the first loss and its graph: one known loss, mean reduction, no weights")
def initial_value(snapshot: RunSnapshot) -> Iterator[Finding]:
    facts = leader(snapshot)
    judged = False
    for series in {graph.series for graph in facts.graphs}:
        graph = next(graph for graph in facts.graphs if graph.series == series)
        expected = expected_loss(graph)
        if expected is None or graph.step > 0 or graph.value is None or not math.isfinite(graph.value):
            continue
        judged = True
        if graph.value > HIGH[expected.kind] * expected.value + HIGH_MARGIN * (expected.kind != "mse"):
            yield _initial_value(facts, graph, expected)
    if not judged:
        raise Lacking("no first loss whose expected value is known")


def _initial_value(facts: RankFacts, graph: events.Graph, expected: Expectation) -> Finding:
    value = graph.value or 0.0
    factor = value / expected.value
    return Finding(
        id="loss.initial_value",
        severity=WARNING if factor > GROSS[expected.kind] else HINT,
        title=f"the first loss is {value:.4g}, {factor:.2g} times what an untrained model gives ({expected.text})",
        advice=(
            "Scale the inputs to about −1 … 1, and start the last layer small; a model that was trained before "
            "should start below this value, not above."
        ),
        step=graph.step,
        rank=facts.rank,
        where=backward_site(facts, graph.series),
        evidence={
            "subject": str(graph.series),
            "value": value,
            "expected": expected.value,
            "expected_from": expected.text,
        },
    )


@check(
    "loop.lr_extreme",
    needs="updates of 3 to 20 sampled steps, and a loss",
    explains=("grads.exploding", "grads.nonfinite"),
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
    typical = median(ratios)
    known = next((o for o in facts.optimizers if o.index == optimizer), None)
    lr = known.groups[0].options.get("lr") if known and known.groups else snapshot.lr
    rate = f" (lr {lr:.3g})" if isinstance(lr, (int, float)) else ""
    first = finite(value for _, value in line.first[:1])
    went = f"; {line.name} went from {first[0]:.3g} to {line.last:.3g}" if first and line.last is not None else ""
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
