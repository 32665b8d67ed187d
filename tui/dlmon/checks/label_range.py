"""Class labels that the model has no output for: from the loss that died of them, or from the labels of a loss."""

from __future__ import annotations

import re

from dlmon.checks.facts import backward_site
from dlmon.checks.finding import ERROR, Finding
from dlmon.checks.frames import shape_of_any, user_line
from dlmon.state.snapshot import RankFacts
from dlmon_probes import events

_TARGET = re.compile(r"Target (-?\d+) is out of bounds")
_DEVICE_ASSERT = re.compile(r"device-side assert|t >= 0 && t < n_classes|CUBLAS_STATUS_EXECUTION_FAILED")
_LOSS_FUNCTIONS = frozenset({"cross_entropy", "nll_loss"})
_ADVICE = (
    "Labels must be 0 … classes − 1: subtract 1 if they start at 1, make the last layer wider if there are more "
    "classes, or set ignore_index for labels that mean nothing."
)


def from_crash(facts: RankFacts) -> Finding | None:
    crash = facts.crash
    if crash is None:
        return None
    match = _TARGET.search(crash.message)
    label = int(match[1]) if match else None
    if label is None and not (_DEVICE_ASSERT.search(crash.message) and _in_class_loss(crash)):
        return None
    classes = _classes(crash)
    if label is None:
        title = "the GPU stopped at a label outside the classes that the model has"
    else:
        title = (
            f"label {label} is outside the {classes} classes (0 … {classes - 1})"
            if classes
            else (f"label {label} is outside the classes that the model has")
        )
    return Finding(
        id="data.labels_out_of_range",
        severity=ERROR,
        title=title,
        advice=_ADVICE,
        step=crash.step,
        rank=facts.rank,
        where=user_line(crash),
        evidence={"label": label, "classes": classes, "message": crash.message[:200]},
    )


def _in_class_loss(crash: events.Crash) -> bool:
    return any(frame.where.function in _LOSS_FUNCTIONS for frame in crash.frames)


def _classes(crash: events.Crash) -> int | None:
    for frame in crash.frames:
        if frame.where.function in _LOSS_FUNCTIONS:
            shape = shape_of_any(frame, ("input",))
            if shape:
                return shape[1] if len(shape) > 1 else shape[0]
    return None


def from_losses(facts: RankFacts) -> Finding | None:
    for graph in facts.graphs:
        for loss in graph.losses:
            if not loss.classes or not loss.labels or not loss.op.startswith("NllLoss"):
                continue
            bad = sorted(
                label
                for label in (int(text) for text in loss.labels if text.lstrip("-").isdigit())
                if not 0 <= label < loss.classes and label != loss.ignore_index
            )
            if bad:
                return _labels(facts, graph, loss, bad)
    return None


def _labels(facts: RankFacts, graph: events.Graph, loss: events.LossFacts, bad: list[int]) -> Finding:
    return Finding(
        id="data.labels_out_of_range",
        severity=ERROR,
        title=f"labels {', '.join(map(str, bad[:5]))} are outside the {loss.classes} classes",
        advice=_ADVICE,
        step=graph.step,
        rank=facts.rank,
        where=backward_site(facts, graph.series),
        evidence={"labels": bad[:20], "classes": loss.classes, "ignore_index": loss.ignore_index},
    )
