"""What a first loss should be near to before anything was learned, where its graph tells enough."""

from __future__ import annotations

import math
from dataclasses import dataclass

from dlmon_probes import events

MEAN = 1  # torch's code for reduction="mean"; 0 is "none", 2 is "sum"


@dataclass(frozen=True)
class Expectation:
    """value: the expected first loss. text: how it comes about ("ln 3 = 1.099"). kind: "classes", "binary", "mse"."""

    value: float
    text: str
    kind: str


def expected_loss(graph: events.Graph) -> Expectation | None:
    """Of a graph whose root is one known loss with mean reduction; None where sums, weights or products are in it.

    The root must be the loss node itself: `ce + 0.1 * aux` or `ce / accumulation` has another value.
    """
    loss = main_loss(graph)
    if loss is None or loss.reduction not in (None, MEAN) or loss.weighted:
        return None
    if loss.op.startswith(("NllLoss", "CrossEntropyLoss")) and loss.classes and loss.classes > 1:
        value = math.log(loss.classes)
        return Expectation(value, f"ln {loss.classes} = {value:.4g}", "classes")
    if loss.op.startswith("BinaryCrossEntropy"):
        return Expectation(math.log(2), f"ln 2 = {math.log(2):.4g}", "binary")
    if loss.op.startswith("MseLoss"):
        return _mse(loss)
    return None


def main_loss(graph: events.Graph) -> events.LossFacts | None:
    """The one loss that the graph's value is, None where the root is something made of losses."""
    if len(graph.losses) != 1 or not graph.nodes:
        return None
    loss = graph.losses[0]
    return loss if graph.nodes[0].op == loss.op else None


def _mse(loss: events.LossFacts) -> Expectation | None:
    target = loss.target
    if target is None or target.std is None or target.mean is None:
        return None
    # Predictions near zero: the error is the target itself.
    value = target.std * target.std + target.mean * target.mean  # `**` raises where this gives inf
    if not math.isfinite(value) or value <= 0:
        return None
    return Expectation(value, f"mean square of the targets = {value:.4g}", "mse")
