"""A batch as rows: which leaf is the input and which the labels, and a 64-bit hash of each sample. CPU tensors only."""

from __future__ import annotations

import math
from collections import Counter
from typing import Any, Optional

from dlmon_probes.training import structures, tensors

MOST_ROWS = 128  # of a batch that are hashed
MOST_ELEMENTS = 256  # of a row, evenly spaced
MOST_COLUMNS = 64  # of the input whose mean and spread are followed
MOST_LABELS = 4_096  # of a batch

_weights: dict[int, Any] = {}


class Roles:
    """The leaves of a batch that lie on the CPU: input, label (one number for each sample, a whole one if there is
    such) and value (one float for each sample); None where there is none."""

    def __init__(self, batch: Any) -> None:
        rows = structures.rows(batch)
        found = [
            leaf for leaf in structures.leaves(batch, 8)
            if leaf.tensor.dim() and int(leaf.tensor.shape[0]) == rows and _readable(leaf.tensor)
        ]  # fmt: skip
        self.input = next((leaf for leaf in found if leaf.tensor.dim() > 1 and not _is_column(leaf)), None)
        self.input = self.input or (found[0] if found else None)
        after = found.index(self.input) + 1 if self.input is not None else 0
        others = [
            leaf for leaf in found[after:] + found[: max(after - 1, 0)] if leaf.tensor.dim() == 1 or _is_column(leaf)
        ]
        floats = [leaf for leaf in others if leaf.tensor.is_floating_point()]
        self.label = next((leaf for leaf in others if not leaf.tensor.is_floating_point()), None) or _last(floats)
        self.value = _last(floats)


def _last(leaves: list[structures.Leaf]) -> Optional[structures.Leaf]:
    return leaves[-1] if leaves else None


def _is_column(leaf: structures.Leaf) -> bool:
    return leaf.tensor.dim() == 2 and int(leaf.tensor.shape[1]) == 1


def _readable(tensor: Any) -> bool:
    return tensor.device.type == "cpu" and not tensor.dtype.is_complex and tensors.local(tensor) is not None


def flat(tensor: Any, most: int) -> Any:
    """rows × at most `most` elements of each row, evenly spaced: a view where the tensor is contiguous."""
    x = tensor.detach()[:MOST_ROWS]
    x = x.reshape(x.shape[0], -1)
    stride = max(1, -(-x.shape[1] // most))
    return x[:, ::stride]


def row_hashes(tensor: Any) -> list[int]:
    """A 64-bit number for each of the first MOST_ROWS rows: equal rows have equal ones."""
    torch = tensors.torch_module()
    x = flat(tensor, MOST_ELEMENTS)
    bits = {4: torch.int32, 8: torch.int64, 2: torch.int16}.get(x.element_size()) if x.is_floating_point() else None
    if bits is not None:
        x = x.contiguous().view(bits)
    hashes: list[int] = (x.to(torch.int64) * _weights_for(x.shape[1])).sum(1).tolist()
    return hashes


def _weights_for(count: int) -> Any:
    found = _weights.get(count)
    if found is None:
        torch = tensors.torch_module()
        own = torch.Generator(device="cpu")
        own.manual_seed(20_231)
        found = torch.randint(-(1 << 62), 1 << 62, (count,), generator=own, dtype=torch.int64, device="cpu") * 2 + 1
        _weights[count] = found
    return found


def labels_of(tensor: Any) -> Optional[list[int]]:
    """Whole-number labels, one for each sample; None where they are none (a float that only looks whole is)."""
    x = tensor.detach()[:MOST_LABELS].reshape(-1)
    if x.is_floating_point() and (not bool((x == x.round()).all()) or not bool(x.isfinite().all())):
        return None
    return [int(value) for value in x.tolist()]


def entropy(tensor: Any) -> float:
    """Bits in a row, its elements taken as independent: below about 40, equal rows are no wonder."""
    columns = flat(tensor, MOST_COLUMNS).t().tolist()
    of_one = sum(_entropy(column) for column in columns) / max(len(columns), 1)
    return of_one * math.prod(int(size) for size in tensor.shape[1:])


def _entropy(values: list[Any]) -> float:
    count = len(values)
    return -sum(n / count * math.log2(n / count) for n in Counter(values).values())


class Moments:
    """Mean and spread of each column over all rows that were added."""

    def __init__(self) -> None:
        self._sums: Any = None

    def add(self, tensor: Any) -> None:
        """tensor: rows × anything, floating or bytes. Rows of another width than before are left out."""
        torch = tensors.torch_module()
        x = flat(tensor, MOST_COLUMNS).to(torch.float64)
        sums = torch.stack([torch.full_like(x[0], float(x.shape[0])), x.sum(0), (x * x).sum(0)])
        if self._sums is None:
            self._sums = sums
        elif self._sums.shape == sums.shape:
            self._sums += sums

    def read(self) -> tuple[list[float], list[float]]:
        """(mean, std) by column; empty before anything was added."""
        if self._sums is None:
            return [], []
        count, total, squares = self._sums
        mean = total / count
        return mean.tolist(), (squares / count - mean * mean).clamp(min=0).sqrt().tolist()
