"""Summands of a loss that are of another size than the others."""

from __future__ import annotations

import math
from collections.abc import Iterator

from dlmon.checks.facts import Lacking, backward_site, leader
from dlmon.checks.finding import HINT, Finding
from dlmon.checks.registry import check
from dlmon.state.snapshot import RankFacts, RunSnapshot
from dlmon_probes.events_model import Terms

SAMPLES = 5
RATIO = 100.0
WEIGHTED = 0.1  # a summand multiplied by less than this is small on purpose
GONE = 0.01  # × its first size: it went to zero


@check("loss.term_imbalance", needs=f"named summands of the loss at the backward's line, {SAMPLES} samples")
def term_imbalance(snapshot: RunSnapshot) -> Iterator[Finding]:
    facts = leader(snapshot)
    seen: list[Terms] = list(facts.further.get("terms", ()))
    if not seen:
        raise Lacking("the summands of the loss have no names where backward is called")
    for series in dict.fromkeys(terms.series for terms in seen):
        rows = [sizes for terms in seen if terms.series == series and len(sizes := _sizes(terms)) > 1]
        if len(rows) >= SAMPLES:
            yield from _judged(facts, series, rows, {t.name: t.factor for t in seen[-1].rows})


def _sizes(terms: Terms) -> dict[str, float]:
    known = {term.name: term.value * term.factor for term in terms.rows if term.value is not None}
    return {name: abs(value) for name, value in known.items() if math.isfinite(value)}


def _judged(
    facts: RankFacts, series: int, rows: list[dict[str, float]], factors: dict[str, float]
) -> Iterator[Finding]:
    first, last = rows[0], rows[-1]
    names = [name for name in first if all(name in row for row in rows)]
    for small in names:
        large = max((name for name in names if name != small), key=lambda name: first[name], default=None)
        if large is None or abs(factors.get(small, 1.0)) < WEIGHTED:
            continue
        # At the start one is a hundred times the other, and it is driven to zero while the other stays as it was.
        drowned = first[large] > RATIO * first[small] > 0 and last[large] < GONE * first[large]
        stayed = last[small] > 0.5 * first[small]
        always = all(row[large] > RATIO * row[small] for row in rows)
        if (drowned and stayed) or always:
            yield _finding(facts, series, small, large, first, last)
            return


def _finding(
    facts: RankFacts, series: int, small: str, large: str, first: dict[str, float], last: dict[str, float]
) -> Finding:
    return Finding(
        id="loss.term_imbalance",
        severity=HINT,
        title=(
            f"{large} is {first[large] / max(first[small], 1e-12):.0f} times {small} at the start "
            f"({first[large]:.3g} against {first[small]:.3g}; now {last[large]:.3g} and {last[small]:.3g})"
        ),
        advice=(
            "Reduce both the same way (mean over the batch, sum over features for both), then weigh them by a factor "
            "that says so."
        ),
        step=0,
        rank=facts.rank,
        where=backward_site(facts, series),
        evidence={"subject": str(series), "first": first, "last": last},
    )
