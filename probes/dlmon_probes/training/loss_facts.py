"""What a loss node of the autograd graph saved: prediction, target, number of classes, what was handed to it."""

from __future__ import annotations

from typing import Any, Optional

from dlmon_probes import events
from dlmon_probes.training import tensors

MOST_LABELS = 65_536  # elements of a target that are counted
MOST_CLASSES = 1_000

VIEWS = frozenset(
    {
        "ViewBackward0", "UnsafeViewBackward0", "ReshapeAliasBackward0", "PermuteBackward0", "TransposeBackward0",
        "TBackward0", "SqueezeBackward0", "SqueezeBackward1", "UnsqueezeBackward0", "SliceBackward0",
        "SelectBackward0", "CloneBackward0", "ToCopyBackward0", "AliasBackward0", "UnsafeViewBackward",
        "IndexBackward0", "ContiguousBackward0", "MovedimBackward0",
    }
)  # fmt: skip


def producer(node: Any) -> Optional[Any]:
    """The node that made a node's first input, looking through views and casts; None for a leaf."""
    following = node.next_functions
    below = following[0][0] if following else None
    while below is not None and type(below).__name__ in VIEWS:
        following = below.next_functions
        below = following[0][0] if following else None
    return below


class LossReader:
    """Measures one loss node now, and gives its LossFacts once `vectors` were read (see Agent.later)."""

    OPS = frozenset(
        {
            "NllLossBackward0", "NllLoss2DBackward0", "MseLossBackward0", "BinaryCrossEntropyBackward0",
            "BinaryCrossEntropyWithLogitsBackward0", "SmoothL1LossBackward0", "HuberLossBackward0",
            "SoftMarginLossBackward0", "MultiMarginLossBackward0", "KlDivBackward0",
        }
    )  # fmt: skip

    def __init__(self, node: Any) -> None:
        self._op = type(node).__name__
        self._classes: Optional[int] = None
        prediction, target = _saved(node, "self"), _saved(node, "target")
        handed, log_probabilities = prediction, None
        softmax_dim = 1
        if self._op.startswith("NllLoss"):
            above = producer(node)
            if above is not None and type(above).__name__ == "LogSoftmaxBackward0":
                log_probabilities = _saved(above, "result")
                inner = producer(above)
                handed = _saved(inner, "result") if type(inner).__name__ == "SoftmaxBackward0" else None
            if prediction is not None:
                self._classes = int(prediction.shape[1] if prediction.dim() > 1 else prediction.shape[0])
                softmax_dim = 1 if prediction.dim() > 1 else 0
        self._reduction = _plain(node, "reduction")
        self._ignore = _plain(node, "ignore_index")
        self._weighted = _saved(node, "weight") is not None
        self._prediction = tensors.Measured(prediction) if prediction is not None else None
        self._target = tensors.Measured(target) if target is not None else None
        self.vectors = [
            self._prediction.vector if self._prediction else None,
            self._target.vector if self._target else None,
            _handed_over(handed, softmax_dim),
            _spread(log_probabilities),
            _labels(target),
            _accuracy(self._op, prediction, target, self._ignore),
        ]

    def facts(self, values: list[list[float]]) -> events.LossFacts:
        prediction, target, handed, spread, labels, accuracy = values
        return events.LossFacts(
            op=self._op,
            prediction=self._prediction.facts(prediction or None) if self._prediction else None,
            target=self._target.facts(target or None) if self._target else None,
            classes=self._classes, reduction=self._reduction, ignore_index=self._ignore, weighted=self._weighted,
            input_min=handed[0] if handed else None, input_max=handed[1] if handed else None,
            input_row_sum=handed[2] if handed else None, spread=spread[0] if spread else None,
            labels=_count(labels), accuracy=accuracy[0] if accuracy and accuracy[0] == accuracy[0] else None,
        )  # fmt: skip


def _saved(node: Any, name: str) -> Optional[Any]:
    try:
        value = getattr(node, f"_saved_{name}", None)
    except Exception:
        return None
    return value if hasattr(value, "dtype") else None


def _plain(node: Any, name: str) -> Optional[int]:
    try:
        value = getattr(node, f"_saved_{name}", None)
    except Exception:
        return None
    if not isinstance(value, int):
        return None
    return value - (1 << 64) if value >= 1 << 63 else value


def _handed_over(tensor: Optional[Any], dim: int) -> Optional[Any]:
    """[min, max, mean of the sums over the class dimension] of what was handed to the loss."""
    readable = tensors.local(tensor) if tensor is not None else None
    if readable is None or not readable.numel() or not readable.dtype.is_floating_point:
        return None
    x = _few_rows(readable).float()
    dim = min(dim, x.dim() - 1)
    sums = x.sum(dim).mean() if x.dim() else x
    return tensors.torch_module().stack([x.amin(), x.amax(), sums])


def _spread(log_probabilities: Optional[Any]) -> Optional[Any]:
    """[mean over rows of max − min] of log-probabilities with classes in dimension 1 (0 for one row)."""
    readable = tensors.local(log_probabilities) if log_probabilities is not None else None
    if readable is None or not readable.numel():
        return None
    x = _few_rows(readable).float()
    dim = 1 if x.dim() > 1 else 0
    return (x.amax(dim) - x.amin(dim)).mean().reshape(1)


def _few_rows(tensor: Any) -> Any:
    """The first rows of a batch, so many that about a million elements are looked at."""
    if tensor.dim() < 2 or tensor.numel() <= 1 << 20:
        return tensor
    return tensor[: max(1, (1 << 20) * tensor.shape[0] // tensor.numel())]


def _labels(target: Optional[Any]) -> Optional[Any]:
    readable = tensors.local(target) if target is not None else None
    if readable is None or readable.dtype.is_floating_point or readable.dtype.is_complex or not readable.numel():
        return None
    return tensors.subsample(readable, MOST_LABELS)


def _accuracy(op: str, prediction: Optional[Any], target: Optional[Any], ignore: Optional[int]) -> Optional[Any]:
    """[share of rows whose most probable class is the target], NaN where there is no telling: yes-or-no targets that
    are not all 0 or 1, or only ignored rows. None for losses without classes."""
    one, other = (tensors.local(t) if t is not None else None for t in (prediction, target))
    if one is None or other is None or not other.numel():
        return None
    torch = tensors.torch_module()
    if op.startswith("NllLoss"):
        most_probable = one.argmax(1 if one.dim() > 1 else 0)
        counted = other != (-100 if ignore is None else ignore)
        right = (most_probable == other) & counted
        return (right.sum().float() / counted.sum()).reshape(1)
    if op.startswith("BinaryCrossEntropy") and one.shape == other.shape:
        yes = one > (0 if op.startswith("BinaryCrossEntropyWithLogits") else 0.5)
        hard = ((other == 0) | (other == 1)).all()
        return torch.where(hard, (yes == (other > 0.5)).float().mean(), float("nan")).reshape(1)
    return None


def _count(labels: list[float]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for label in labels:
        key = str(int(label))
        if key in counts or len(counts) < MOST_CLASSES:
            counts[key] = counts.get(key, 0) + 1
    return counts
