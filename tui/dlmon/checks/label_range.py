"""Class labels that the model has no output for: from the loss that died of them, or from the labels of a loss."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator

from dlmon.checks.facts import backward_site
from dlmon.checks.finding import ERROR, Finding
from dlmon.checks.frames import user_line
from dlmon.state.snapshot import RankFacts
from dlmon_probes import events

_TARGET = re.compile(r"Target (-?\d+) is out of bounds")
_DEVICE_ASSERT = re.compile(r"device-side assert|t >= 0 && t < n_classes|CUBLAS_STATUS_EXECUTION_FAILED")
_LOSS_FUNCTIONS = frozenset({"cross_entropy", "nll_loss"})
_ADVICE = (
    "Labels must be 0 … classes − 1: subtract 1 if they start at 1, make the last layer wider if there are more "
    "classes, or set ignore_index for labels that mean nothing."
)

_FROM_ONE = "The labels start at 1: subtract 1 when the data are read, so that they are 0 … classes − 1."


def from_crash(facts: RankFacts) -> Finding | None:
    crash = facts.crash
    if crash is None:
        return None
    match = _TARGET.search(crash.message)
    if match is None and not (_DEVICE_ASSERT.search(crash.message) and _in_class_loss(crash)):
        return None
    label = int(match[1]) if match else None
    classes, lowest, highest = _classes(crash), *_range(crash)
    return Finding(
        id="data.labels_out_of_range",
        severity=ERROR,
        title=_title(label, classes, lowest, highest),
        advice=_FROM_ONE if lowest == 1 and highest == classes else _ADVICE,
        step=crash.step,
        rank=facts.rank,
        where=user_line(crash),
        evidence={
            "label": label,
            "classes": classes,
            "lowest": lowest,
            "highest": highest,
            "message": crash.message[:200],
        },
    )


def _title(label: int | None, classes: int | None, lowest: int | None, highest: int | None) -> str:
    if label is None:
        return "the GPU stopped at a label outside the classes that the model has"
    if classes is None:
        return f"label {label} is outside the classes that the model has"
    seen = f"; this batch's labels go from {lowest} to {highest}" if lowest is not None and highest is not None else ""
    return f"label {label} is outside the {classes} classes (0 … {classes - 1}){seen}"


def _in_class_loss(crash: events.Crash) -> bool:
    return any(frame.where.function in _LOSS_FUNCTIONS for frame in crash.frames)


def _inputs(crash: events.Crash) -> Iterator[events.NamedTensor]:
    """What was handed to the loss: as its module got it, or as its innermost frame holds it."""
    if crash.module is not None:
        yield from crash.module.inputs
    for frame in reversed(crash.frames):
        yield from frame.tensors


def _classes(crash: events.Crash) -> int | None:
    shape = next((named.facts.shape for named in _inputs(crash) if named.path == "input" and named.facts.shape), None)
    return None if shape is None else shape[1] if len(shape) > 1 else shape[0]


def _range(crash: events.Crash) -> tuple[int | None, int | None]:
    for named in _inputs(crash):
        low, high = named.facts.min, named.facts.max
        if named.path == "target" and low is not None and high is not None and math.isfinite(low + high):
            return int(low), int(high)
    return None, None


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
