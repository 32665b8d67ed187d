"""Labels that the inputs say nothing of: a model that moves, and a loss that stays at what knowing the labels' shares
alone would give."""

from __future__ import annotations

import math
from collections.abc import Iterator
from statistics import median

from dlmon.checks.data_facts import in_repeated_stage, loader_rows, made_at, site
from dlmon.checks.facts import Lacking, finite, leader
from dlmon.checks.finding import HINT, Finding
from dlmon.checks.registry import check
from dlmon.state.snapshot import RankFacts, RunSnapshot, SeriesView

STEPS = 300
ROWS = 500  # labelled samples
NEAR = 0.03  # of the labels' entropy
LEAST = 0.3  # nats: below it the loss has no room to fall
RECENT = 50  # values
LIVELY = 1e-4  # |Δw|/|w| of some layer: the model does move


@check("data.labels_unrelated", needs=f"{STEPS} steps, {ROWS} labelled samples and sampled updates")
def labels_unrelated(snapshot: RunSnapshot) -> Iterator[Finding]:
    facts = leader(snapshot)
    if in_repeated_stage(facts):
        raise Lacking("this stage gives batches of its own")
    if snapshot.step < STEPS:
        raise Lacking(f"fewer than {STEPS} steps yet")
    series = [line for line in snapshot.series if line.source == "loss"]
    classes = {c for graph in facts.graphs for loss in graph.losses for c in [loss.classes] if c}
    if len(series) != 1 or len(classes) != 1 or not _unweighted(facts):
        raise Lacking("no single, unweighted loss with class labels was seen")
    if not _moves(facts):
        raise Lacking("the weights hardly move")
    for rows in loader_rows(facts):
        counted = sum(rows.labels.values())
        if not rows.trained or counted < ROWS or len(rows.labels) < 2 or len(rows.labels) > max(classes):
            continue
        entropy = -sum(n / counted * math.log(n / counted) for n in rows.labels.values() if n > 0)
        loss = _level(series[0])
        if loss is not None and entropy > LEAST and abs(loss - entropy) <= NEAR * entropy:
            yield Finding(
                id="data.labels_unrelated",
                severity=HINT,
                title=(
                    f"after {snapshot.step:,} steps the loss is {loss:.3f}: what guessing by the classes' shares gives "
                    f"({entropy:.3f} nats over {len(rows.labels)} classes)"
                ),
                advice=(
                    "The inputs may not belong to their labels (shuffled apart, misread, another file's): look at a "
                    "few pairs, and see with `dlmon check` whether one batch can be memorised."
                ),
                step=snapshot.step,
                rank=facts.rank,
                where=site(facts, rows.loader),
                evidence={
                    "subject": made_at(facts, rows.loader),
                    "loss": loss,
                    "entropy": entropy,
                    "samples": counted,
                    "classes": len(rows.labels),
                },
            )
            return


def _unweighted(facts: RankFacts) -> bool:
    known = [loss for graph in facts.graphs for loss in graph.losses]
    return bool(known) and all(loss.op.startswith("NllLoss") and not loss.weighted for loss in known)


def _moves(facts: RankFacts) -> bool:
    return any(update > LIVELY for sample in facts.gradients[-8:] for update in finite(sample.update))


def _level(series: SeriesView) -> float | None:
    """The recent level of the loss."""
    values = finite(value for _, value in series.recent[-RECENT:])
    return median(values) if len(values) >= RECENT else None
