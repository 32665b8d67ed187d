"""How evaluations are run, and what their curves say beside the training's."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from statistics import median

from dlmon.checks.facts import Lacking, finite, leader, parameters_of
from dlmon.checks.finding import HINT, WARNING, Finding
from dlmon.checks.registry import check
from dlmon.state.expected_loss import expected_loss
from dlmon.state.snapshot import RankFacts, RunSnapshot, SeriesView
from dlmon_probes import events

LARGE_MODEL = 1_000_000  # parameters from which recording a graph for nothing costs memory that matters
MC_CALLS = 2  # model calls per batch: several draws of dropout on purpose
EVALUATIONS = 5
SINCE_BEST = 3  # evaluations after the best one
WORSE = 1.15  # × the best evaluation loss
APART = 1.3  # × the training loss
FELL = 0.95  # × the training loss at the best evaluation: training goes on getting better
NEAR_CHANCE = 0.95  # × the loss of an untrained model
FIT_STEPS = 200
BETTER = 0.7  # × the training loss
FLOOR = 0.05  # losses below this are perfect either way


def _passes(facts: RankFacts, snapshot: RunSnapshot) -> list[events.Evaluation]:
    """The leader's finished passes that measured something."""
    found = [e.event for e in snapshot.evaluations if e.rank == facts.rank]
    found = [e for e in found if e.loss is not None or e.accuracy is not None]
    if not found:
        raise Lacking("no finished evaluation with a loss or an accuracy was seen yet")
    return found


@check("loop.train_mode_in_eval", needs="a finished evaluation")
def train_mode_in_eval(snapshot: RunSnapshot) -> Iterator[Finding]:
    facts = leader(snapshot)
    passes = _passes(facts, snapshot)
    wrong = [e for e in passes if (e.dropout_on or e.norm_on) and e.step > 0]
    if not wrong or not (wrong[-1] is passes[-1] or len(wrong) * 2 > len(passes)):
        return
    last = wrong[-1]
    parts = [(last.dropout_on, "dropout"), (last.norm_on, "batch-norm")]
    what = " and ".join(f"{count} {name}" for count, name in parts if count)
    yield Finding(
        id="loop.train_mode_in_eval",
        severity=HINT if _on_purpose(last) else WARNING,
        title=f"{what} modules are in training mode during {len(wrong)} of {len(passes)} evaluations",
        advice="Call model.eval() before evaluating, and model.train() after it.",
        step=wrong[0].step,
        rank=facts.rank,
        where=last.where,
        evidence={
            "dropout_on": last.dropout_on,
            "norm_on": last.norm_on,
            "evaluations": len(passes),
            "model_training": last.root_training,
            "forwards": last.forwards,
            "batches": last.batches,
        },
    )


def _on_purpose(found: events.Evaluation) -> bool:
    """Monte-Carlo dropout: only dropout is on, in a model in evaluation mode or called again and again."""
    only_dropout = bool(found.dropout_on) and not found.norm_on
    return not found.root_training or (only_dropout and found.forwards >= MC_CALLS * max(1, found.batches))


@check("loop.grad_in_eval", needs="a finished evaluation")
def grad_in_eval(snapshot: RunSnapshot) -> Iterator[Finding]:
    facts = leader(snapshot)
    passes = _passes(facts, snapshot)
    wrong = [e for e in passes if e.grad_enabled and max(e.batches, _length(facts, e.loader)) >= 2]
    if not wrong or len(wrong) * 2 < len(passes):
        return
    size = sum(p.numel for p in parameters_of(facts).values())
    last = wrong[-1]
    yield Finding(
        id="loop.grad_in_eval",
        severity=WARNING if size >= LARGE_MODEL and len(wrong) >= 2 else HINT,
        title=f"{len(wrong)} of {len(passes)} evaluations record gradients, for a backward that never comes",
        advice="Evaluate under torch.no_grad() or torch.inference_mode().",
        step=wrong[0].step,
        rank=facts.rank,
        where=last.where,
        evidence={"evaluations": len(passes), "batches": last.batches, "parameters": size, "seconds": last.seconds},
    )


def _length(facts: RankFacts, loader: int) -> int:
    """Batches that a loader would give: a rehearsal cuts it to one."""
    told = facts.loaders.get(loader)
    return (told.length if told is not None else None) or 0


class Curves:
    """One evaluation loss, and the training loss as it stood at each of its points."""

    def __init__(self, passes: Sequence[events.Evaluation], train: SeriesView) -> None:
        self.steps = [e.step for e in passes]
        self.losses = [e.loss or 0.0 for e in passes]
        self.where = passes[-1].where
        self.name = passes[-1].name or "evaluation"
        self.train = [_training_loss(train, step) for step in self.steps]

    def best(self) -> int:
        return min(range(len(self.losses)), key=self.losses.__getitem__)


def _training_loss(line: SeriesView, step: int) -> float:
    """The smoothed training loss at a step; NaN where none is known."""
    place = bisect_right(line.points.step, step) - 1
    source = line.smoothed if len(line.smoothed) == len(line.points.step) else line.points.mean
    return source[place] if 0 <= place < len(source) else math.nan


def _curves(facts: RankFacts, snapshot: RunSnapshot) -> list[Curves]:
    """Where one loss is trained and evaluated by the same formula; not in rehearsals, which repeat a batch."""
    lines = [line for line in snapshot.series if line.source == "loss" and line.count]
    if len(lines) != 1 or facts.stage:
        raise Lacking("no single training loss to lay beside the evaluations")
    groups: dict[tuple[int, str], list[events.Evaluation]] = {}
    for event in _passes(facts, snapshot):
        if event.loss is not None and math.isfinite(event.loss):
            groups.setdefault((event.loader, event.name), []).append(event)
    long = [Curves(passes, lines[0]) for passes in groups.values() if len(passes) >= EVALUATIONS]
    if not long:
        raise Lacking(f"fewer than {EVALUATIONS} evaluations with a loss yet")
    return long


@check("eval.overfitting", needs="5 evaluations with a loss")
def overfitting(snapshot: RunSnapshot) -> Iterator[Finding]:
    facts = leader(snapshot)
    for curves in _curves(facts, snapshot):
        best, now, then = curves.best(), curves.train[-1], curves.train[curves.best()]
        late = curves.losses[-SINCE_BEST:]
        if len(curves.losses) - 1 - best < SINCE_BEST or curves.losses[best] <= 0:
            continue
        if min(late) > WORSE * curves.losses[best] and now < FELL * then and min(late) > APART * now:
            yield Finding(
                id="eval.overfitting",
                severity=HINT,
                title=(
                    f"overfitting: the {curves.name} loss was best at step {curves.steps[best]} "
                    f"({curves.losses[best]:.3g}) and is {curves.losses[-1]:.3g} now, while the training loss fell "
                    f"from {then:.3g} to {now:.3g}"
                ),
                advice="Keep the best weights, stop earlier, or regularise: more data, augmentation, dropout.",
                step=curves.steps[best],
                rank=facts.rank,
                where=curves.where,
                evidence=_evidence(curves),
            )


@check("eval.underfitting", needs="5 evaluations with a loss, 200 steps, and the loss of an untrained model")
def underfitting(snapshot: RunSnapshot) -> Iterator[Finding]:
    facts = leader(snapshot)
    found = _curves(facts, snapshot)
    chance = next((expected_loss(graph) for graph in facts.graphs if graph.step == 0), None)
    if chance is None or snapshot.step < FIT_STEPS:
        raise Lacking("no known loss of an untrained model, or fewer than 200 steps")
    for curves in found:
        late = finite(curves.train[-SINCE_BEST:])
        if (
            late
            and min(late) > NEAR_CHANCE * chance.value
            and min(curves.losses[-SINCE_BEST:]) > NEAR_CHANCE * chance.value
        ):
            yield Finding(
                id="eval.underfitting",
                severity=HINT,
                title=(
                    f"nothing is learnt: after {snapshot.step} steps the training loss is {late[-1]:.3g} and the "
                    f"{curves.name} loss {curves.losses[-1]:.3g}; guessing: {chance.value:.3g} ({chance.text})"
                ),
                advice="Memorise one batch first (dlmon check does); then another rate, better inputs, a larger model.",
                step=snapshot.step,
                rank=facts.rank,
                where=curves.where,
                evidence=_evidence(curves) | {"chance": chance.value},
            )


@check("eval.leak_suspected", needs="5 evaluations with a loss, and no dropout in the model")
def leak_suspected(snapshot: RunSnapshot) -> Iterator[Finding]:
    facts = leader(snapshot)
    found = _curves(facts, snapshot)
    if any("Dropout" in mode.cls or (mode.p or 0) > 0 for modes in facts.modes for mode in modes.modules):
        return  # it holds the training loss up
    for curves in found:
        pairs = [(v, t) for v, t in zip(curves.losses, curves.train, strict=True) if math.isfinite(t)][-EVALUATIONS:]
        if len(pairs) >= EVALUATIONS and all(v < BETTER * t and t > FLOOR for v, t in pairs):
            ratio = median(v / t for v, t in pairs)
            yield Finding(
                id="eval.leak_suspected",
                severity=HINT,
                title=(
                    f"the {curves.name} loss is below the training loss at {len(pairs)} of {len(pairs)} evaluations "
                    f"(typically {ratio:.0%} of it), and no dropout explains it"
                ),
                advice="Look for evaluation rows that are trained on, easier evaluation data, or another reduction.",
                step=curves.steps[-len(pairs)],
                rank=facts.rank,
                where=curves.where,
                evidence=_evidence(curves),
            )


def _evidence(curves: Curves) -> dict[str, object]:
    return {
        "subject": curves.name,
        "steps": curves.steps[-8:],
        "losses": curves.losses[-8:],
        "training": [None if math.isnan(value) else value for value in curves.train[-8:]],
    }
