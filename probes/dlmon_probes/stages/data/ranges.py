"""The range of a tensor's values, and new values brought into it."""

from __future__ import annotations

from typing import Any

from dlmon_probes.stages.data.roles import TargetRole
from dlmon_probes.training import tensors

FEW_ROWS = 8  # below, a column's own mean and deviation say nothing
MOST_CLASSES = 16


class Ranges:
    """Mean, deviation, smallest and largest of a leaf's finite values; of each column where it is a table.

    A tensor of one value only cannot show anything: it is given a deviation of 1, without limits. rows: the dimension
    of the samples.
    """

    def __init__(self, leaf: Any, rows: int) -> None:
        torch = tensors.torch_module()
        readable = tensors.local(leaf)
        x = (leaf.detach() if readable is None else readable).to("cpu", torch.float32)
        x = x.movedim(rows, 0) if x.dim() else x
        finite = torch.isfinite(x)
        x = torch.where(finite, x, torch.zeros_like(x))
        by_column = x.dim() == 2 and int(x.shape[0]) >= FEW_ROWS and bool(finite.all())
        over: Any = (0,) if by_column else tuple(range(x.dim()))
        self._mean = x.mean(over) if over else x
        self._deviation = x.std(over, unbiased=False) if over else torch.zeros(())
        self._low, self._high = (x.amin(over), x.amax(over)) if over else (x, x)
        self.ends = (float(self._low.min()), float(self._high.max()))
        if bool((self._deviation == 0).all()):
            self._deviation = torch.ones_like(self._deviation)
            if readable is None or leaf.dtype.is_floating_point:
                self._low, self._high = self._mean - 4, self._mean + 4

    def scaled(self, values: Any) -> Any:
        """Values of about mean 0 and deviation 1, brought to the real mean, deviation and limits. Rows first."""
        torch = tensors.torch_module()
        return torch.maximum(torch.minimum(self._mean + self._deviation * values, self._high), self._low)


def label_set(leaf: Any, target: TargetRole) -> list[int]:
    """The labels that the batch has, at most 16; all classes of the prediction where it has fewer than two."""
    torch = tensors.torch_module()
    readable = tensors.local(leaf)
    x = leaf.detach() if readable is None else readable
    if x.dim() >= 2 and x.shape[-1] > 1 and x.dtype.is_floating_point:  # one-hot or soft
        return list(range(min(int(x.shape[-1]), MOST_CLASSES)))
    found = [int(value) for value in torch.unique(x.to("cpu", torch.float64)).tolist() if value == value]
    kept = [value for value in found if value != target.ignore and value >= 0]
    if target.classes and all(value < target.classes for value in kept[:1]):
        kept = [value for value in kept if value < target.classes]
    if len(kept) < 2:
        kept = list(range(max(target.classes, 2)))
    step = max(1, -(-len(kept) // MOST_CLASSES))
    return kept[::step]
