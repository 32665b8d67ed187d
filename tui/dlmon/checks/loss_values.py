"""What the values of the loss say."""

from __future__ import annotations

import math
from collections.abc import Iterator

from dlmon.checks import origins
from dlmon.checks.facts import Lacking, backward_site, leader
from dlmon.checks.finding import ERROR, HINT, WARNING, Finding
from dlmon.checks.registry import check
from dlmon.state.expected_loss import Expectation, expected_loss
from dlmon.state.snapshot import RankFacts, RunSnapshot, SeriesView
from dlmon_probes import events

RECOVERED = 20  # finite values in a row after which a NaN is an episode
# Default initialisations start within about 1.5 × the expectation, also with label smoothing and odd class counts.
HIGH = {"classes": 2.0, "binary": 3.0, "mse": 10.0}
HIGH_MARGIN = 1.0  # added: ln 2 doubled is nothing
GROSS = {"classes": 10.0, "binary": 15.0, "mse": 1000.0}


@check("loss.nonfinite", needs="a loss", explains=())
def nonfinite(snapshot: RunSnapshot) -> Iterator[Finding]:
    series = [series for series in snapshot.series if series.source == "loss"]
    if not any(line.count for line in series):
        raise Lacking("no loss was seen yet")
    for line in series:
        if line.points.nonfinite:
            yield _nonfinite(line, snapshot.leader)


def _nonfinite(line: SeriesView, facts: RankFacts | None) -> Finding:
    first, count = line.points.nonfinite[0], len(line.points.nonfinite)
    values = dict(line.first) | dict(line.recent)
    value = values.get(first, float("nan"))
    word = "NaN" if math.isnan(value) else "infinite"
    before = next((v for step, v in sorted(values.items(), reverse=True) if step < first and math.isfinite(v)), None)
    since = [v for step, v in line.recent if step > line.points.nonfinite[-1]]
    passed = len(since) >= RECOVERED
    told = f" at {count} steps, first at step {first}" if passed else f" since step {first}"
    was = "" if before is None else f" (before: {before:.4g})"
    origin = origins.origin_at(facts, first, ("op", "input", "weights")) if facts else None
    otherwise = (
        "Look for log or division of a value that can be 0, for exp of a large one and for float16 overflow; "
        "if the loss grew before, lower the learning rate and clip gradients."
    )
    return Finding(
        id="loss.nonfinite",
        severity=WARNING if passed else ERROR,
        title=f"{line.name} is {word}{told}{was}{origins.sentence(origin)}",
        advice=origins.advice(origin, otherwise),
        step=first,
        rank=facts.rank if facts else None,
        where=line.where,
        evidence={
            "subject": line.name,
            "first_step": first,
            "count": count,
            "value": str(value),
            "before": before,
            **(origins.evidence(origin, facts, first) if facts else {}),
        },
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
