"""What facts suggest about a loss that did not fall: each suspicion with its numbers and what to try.

They are tried in the order in which causes come before what they cause.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from statistics import median
from typing import Any

from dlmon import text
from dlmon.checks.facts import Lacking, finite, listed, parameters_of
from dlmon.checks.samples import History, histories
from dlmon.rehearsal.stage_run import StageRun
from dlmon.rehearsal.verdicts.labels import only_class
from dlmon.rehearsal.verdicts.learning import Learning
from dlmon.state.snapshot import RankFacts

SMALL_UPDATE = 2e-5  # |Δw|/|w| of the typical layer; healthy is about 1e-3, and 1e-4 still learns a batch in 300 steps
LARGE_UPDATE = 0.05
JUMPY = 0.2  # typical jump of the loss from step to step, as part of what is left to the floor
DEAD = 0.97  # share of zeros behind a ReLU; half is usual
LARGE_INPUT = 30.0  # beyond it inputs were hardly standardised
NEAR_START = 0.05  # of the way: nothing was learned
SOME = 0.1  # share of the weights: fewer without a gradient are an unused head


@dataclass(frozen=True)
class Cause:
    """One explanation. title: with its numbers. advice: what to try."""

    title: str
    advice: str
    evidence: Mapping[str, Any] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        return {"cause": self.title, "try": self.advice, **self.evidence}


@dataclass(frozen=True)
class Clues:
    """What a suspicion may look at."""

    run: StageRun
    facts: RankFacts
    learning: Learning


def _gradients(clues: Clues) -> Iterator[Cause]:
    rows = _rows(clues.facts)
    missing = [row for row in rows if row.norm and all(norm is None for norm in row.norm)]
    zero = [row for row in rows if row.norm and all(norm == 0 for norm in row.norm)]
    share = sum(row.parameter.numel for row in missing) / max(1, sum(row.parameter.numel for row in rows))
    if missing and share > SOME:
        yield Cause(
            f"{len(missing)} of {len(rows)} parameters ({text.percent(share)} of the weights) got no gradient: "
            f"{listed([row.name for row in missing])}",
            "Look for .detach(), .data, no_grad() or argmax behind these layers.",
        )
    if zero:
        yield Cause(
            f"gradients of {len(zero)} of {len(rows)} parameters are exactly 0: {listed([row.name for row in zero])}",
            "Dead ReLUs, a saturated output or a factor of 0 in front of the loss.",
        )


def _dead(clues: Clues) -> Iterator[Cause]:
    trace = clues.facts.last_activations or clues.facts.first_activations
    for call in trace.modules if trace is not None else ():
        zeros = call.output.zeros if call.output is not None else None
        if zeros is not None and zeros > DEAD and call.cls in ("ReLU", "ReLU6", "Threshold"):
            yield Cause(
                f"{text.percent(zeros)} of the outputs of {call.module or call.cls} are 0",
                "Dead units: a lower learning rate, LeakyReLU, or inputs of about −1 … 1.",
            )
            return


def _rate(clues: Clues) -> Iterator[Cause]:
    ratio = update_ratio(clues.facts)
    if ratio is None:
        return
    lr = f" at learning rate {text.setting(clues.run.snapshot.lr)}" if clues.run.snapshot.lr is not None else ""
    evidence = {"update_ratio": ratio, "lr": clues.run.snapshot.lr}
    size = f"a step changes weights by {text.number(ratio)} of their size{lr} (usual is about 1e-3)"
    if ratio < SMALL_UPDATE:
        advice = "Raise it 10 to 100 times, or run the lr stage."
        yield Cause(f"the learning rate is too small: {size}", advice, evidence | {"slow": True})
    elif ratio > LARGE_UPDATE:
        yield Cause(f"the learning rate is too large: {size}", "Divide it by 10, or run the lr stage.", evidence)


def _jumps(clues: Clues) -> Iterator[Cause]:
    values = [value for _, value in clues.learning.values[-max(8, len(clues.learning.values) // 3) :]]
    if len(values) < 8:
        return
    jump = median(abs(b - a) for a, b in zip(values, values[1:], strict=False))
    gap = clues.learning.last - (clues.learning.floor if clues.learning.floor is not None else 0.0)
    if gap > 0 and jump > JUMPY * gap:
        yield Cause(
            f"the loss jumps by {text.number(jump)} from step to step where {text.number(gap)} is left to its floor",
            "A learning rate that is too large, or randomness in the model (noise, stochastic depth, sampling).",
            {"jump": jump},
        )


def _nothing_learned(clues: Clues) -> Iterator[Cause]:
    if clues.learning.way is not None and abs(clues.learning.way) < NEAR_START:
        yield Cause(
            f"{clues.learning.series.name} stayed at its start "
            f"({text.number(clues.learning.first)} → {text.number(clues.learning.last)})",
            "Is the optimizer made of the parameters of the model that is called, and does the output depend on the "
            "input? Compare a prediction for two different inputs.",
        )
    spread, last = clues.learning.spread, clues.learning.last
    if spread and abs(last - spread) < SOME * spread:
        yield Cause(
            f"the loss stands at {text.number(last)}, the variance of the targets ({text.number(spread)}): the model "
            "predicts their mean",
            "Compare the shapes of prediction and target, and whether inputs and targets belong to the same rows.",
        )


def _labels(clues: Clues) -> Iterator[Cause]:
    constant = only_class(clues.facts)
    if constant is not None:
        yield Cause(f"all labels of the batch are {constant}", "Shuffle the training data.")
    elif (
        clues.learning.accuracy is not None
        and clues.learning.chance is not None
        and clues.learning.accuracy <= clues.learning.chance + 0.05
    ):
        yield Cause(
            f"accuracy {text.percent(clues.learning.accuracy)}, guessing the commonest class gives "
            f"{text.percent(clues.learning.chance)}",
            "The labels may not belong to the inputs: look at a few of both side by side.",
        )


def _inputs(clues: Clues) -> Iterator[Cause]:
    for batch in clues.facts.batches[:1]:
        for named in batch.tensors:
            low, high = named.facts.min, named.facts.max
            if named.facts.dtype.startswith(("float", "bfloat")) and low is not None and high is not None:
                largest = max(abs(low), abs(high))
                if largest > LARGE_INPUT and not named.facts.integers:
                    yield Cause(
                        f"values of {named.path or 'the batch'} go from {text.number(low)} to {text.number(high)}",
                        "Standardise inputs and targets to a mean near 0 and a deviation near 1.",
                    )
                    return


def _capacity(clues: Clues) -> Iterator[Cause]:
    if linear(clues.facts):
        weights = sum(p.numel for p in parameters_of(clues.facts).values() if p.requires_grad)
        yield Cause(
            f"the model is a single layer ({text.count(weights)} weights)",
            "A linear model may honestly be unable to fit this batch: try a hidden layer, or accept it as a baseline.",
            {"weights": weights},
        )


Suspicion = Callable[[Clues], Iterator[Cause]]

# Causes before what they cause.
SUSPICIONS: tuple[Suspicion, ...] = (
    _labels, _gradients, _dead, _rate, _jumps, _nothing_learned, _inputs, _capacity,
)  # fmt: skip
# A suspicion is left out where a finding says the same with more certainty.
SAME: dict[Suspicion, frozenset[str]] = {
    _gradients: frozenset(
        ("grads.none", "grads.zero", "grads.vanishing", "loop.params_not_in_optimizer", "loop.zero_grad_after_backward")
    ),
    _rate: frozenset(("loop.lr_extreme", "loop.no_zero_grad", "loop.params_not_in_optimizer", "grads.exploding")),
    _jumps: frozenset(("loop.lr_extreme", "grads.exploding")),
    _nothing_learned: frozenset(("loss.broadcast",)),
}


def _rows(facts: RankFacts) -> list[History]:
    try:
        return list(histories(facts).values())
    except Lacking:
        return []


def update_ratio(facts: RankFacts) -> float | None:
    """|Δw|/|w| of the typical layer over the last samples; None where it was not read."""
    ratios = [median(good) for row in _rows(facts) if row.matrix and (good := finite(row.update))]
    return median(ratios) if ratios else None


def linear(facts: RankFacts) -> bool:
    """True for a model with one weight matrix: it has no hidden layer."""
    trained = [p for p in parameters_of(facts).values() if p.requires_grad]
    return bool(trained) and sum(len(p.shape) >= 2 for p in trained) <= 1
