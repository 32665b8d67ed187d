"""The samples of a batch that the model is least sure of, from what the loss's node saved for its derivative.

Read right before the backward, which frees it. Nothing is kept but a vector of a few dozen numbers.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Optional

from dlmon_probes import events
from dlmon_probes.events_watch import Doubtful
from dlmon_probes.training import tensors
from dlmon_probes.training.graph import walk
from dlmon_probes.training.loss_facts import LossReader, producer

MOST = 8  # samples
MOST_NODES = 256  # of the graph, from the loss down: its node is among the first
MOST_ELEMENTS = 1 << 24  # of a prediction: beyond it (language models) the rows are not ranked
PROBABILITY, ERROR = "probability", "error"
_NONE = float("nan")


@dataclass
class Ranked:
    """Found for one loss. vectors: [value, row, target, predicted] × MOST, and statistics; give them to Agent.later.

    target: the tensor itself, to be compared with the batch and let go of.
    """

    op: str = ""
    measure: str = ""
    rows: int = 0
    vectors: list[Any] = field(default_factory=list)
    prediction: Optional[tensors.Measured] = None
    target: Optional[tensors.Measured] = None
    targets: Any = None

    def samples(self, numbers: list[float], indices: Optional[list[int]]) -> list[Doubtful]:
        made = []
        for value, row, target, predicted in zip(*[iter(numbers)] * 4):
            index = indices[int(row)] if indices is not None and row < len(indices) else None
            made.append(Doubtful(int(row), value, index, _known(target), _known(predicted)))
        return made

    def facts(self, values: list[list[float]]) -> tuple[Optional[events.TensorFacts], Optional[events.TensorFacts]]:
        """Of prediction and target."""
        told = [m.facts(v or None) if m is not None else None for m, v in zip((self.prediction, self.target), values)]
        return told[0], told[1]


def _known(value: float) -> Optional[float]:
    return None if value != value else value


def ranked(loss: Any) -> Ranked:
    """Of the first loss node below `loss`; empty where there is none that is known."""
    found: list[Any] = []

    def visit(node: Any) -> None:
        if not found and type(node).__name__ in LossReader.OPS:
            found.append(node)

    if loss.grad_fn is not None:
        walk(loss.grad_fn, visit, MOST_NODES)
    return _of_node(found[0]) if found else Ranked()


def _of_node(node: Any) -> Ranked:
    op = type(node).__name__
    prediction, target = _saved(node, "self"), _saved(node, "target")
    made = Ranked(op=op)
    if prediction is None or target is None or not prediction.dim() or not prediction.numel():
        return made
    made.prediction, made.target = tensors.Measured(prediction), tensors.Measured(target)
    ranking = _ranking(op, node, prediction, target) if prediction.numel() <= MOST_ELEMENTS else None
    if ranking is not None:
        made.measure, values, targets, predicted = ranking
        made.rows, made.targets = int(values.shape[0]), target
        made.vectors.append(_least(values, targets, predicted, largest=made.measure == ERROR))
    else:
        made.vectors.append(None)
    made.vectors += [made.prediction.vector, made.target.vector]
    return made


def _saved(node: Any, name: str) -> Optional[Any]:
    try:
        value = getattr(node, f"_saved_{name}", None)
    except Exception:  # packed by hooks of the user's, or freed
        return None
    return tensors.local(value) if hasattr(value, "dtype") else None


def _ranking(op: str, node: Any, prediction: Any, target: Any) -> Optional[tuple[str, Any, Any, Any]]:
    """(measure, value of each sample, target or None, predicted or None of each)."""
    if op.startswith("NllLoss") and prediction.dim() == target.dim() + 1 >= 2:
        above = producer(node)
        if above is None or type(above).__name__ != "LogSoftmaxBackward0":
            return None  # what is given to the loss are no log-probabilities
        return _of_classes(node, prediction, target)
    if op.startswith("BinaryCrossEntropy") and prediction.shape == target.shape:
        p = prediction.float().sigmoid() if op.startswith("BinaryCrossEntropyWithLogits") else prediction.float()
        sure = _by_sample(1 - (p - target.float()).abs())
        one = sure.numel() == p.numel()
        return PROBABILITY, sure, target.reshape(-1) if one else None, (p > 0.5).reshape(-1) if one else None
    if op in ("MseLossBackward0", "SmoothL1LossBackward0", "HuberLossBackward0") and prediction.shape == target.shape:
        wrong = _by_sample((prediction.float() - target.float()) ** 2)
        one = wrong.numel() == prediction.numel()
        return ERROR, wrong, target.reshape(-1) if one else None, prediction.reshape(-1) if one else None
    return None


def _of_classes(node: Any, prediction: Any, target: Any) -> tuple[str, Any, Any, Any]:
    """prediction: log-probabilities, N × classes × …; the mean over what a sample is asked of (pixels)."""
    ignore = getattr(node, "_saved_ignore_index", -100)
    ignore = ignore - (1 << 64) if ignore >= 1 << 63 else ignore
    inside = target.clamp(0, prediction.shape[1] - 1)
    asked = (target != ignore) & (target == inside)
    sure = prediction.float().gather(1, inside[:, None])[:, 0].exp() * asked
    sums, counts = _by_sample(sure), _by_sample(asked.float())
    sure = (sums / counts).masked_fill(counts == 0, 2.0)  # not asked of anything: last
    one = target.dim() == 1
    return PROBABILITY, sure, target if one else None, prediction.argmax(1) if one else None


def _by_sample(values: Any) -> Any:
    """Mean over everything but the first dimension."""
    return values.flatten(1).mean(1) if values.dim() > 1 else values


def _least(values: Any, targets: Optional[Any], predicted: Optional[Any], *, largest: bool) -> Any:
    """[value, row, target, predicted] of the first MOST samples in order, as one vector."""
    torch = tensors.torch_module()
    order = torch.topk(values, min(MOST, int(values.shape[0])), largest=largest)
    none = torch.full_like(order.values, _NONE)
    columns = [order.values, order.indices.float()]
    columns += [none if tensor is None else tensor[order.indices].float() for tensor in (targets, predicted)]
    return torch.stack(columns, 1).reshape(-1)
