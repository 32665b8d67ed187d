"""What rows with the same input and different labels leave of a loss: no model can tell them apart.

Next-token batches are full of them (the first token of each row, seen alone), and so are pairs of words, tables of
ratings and noisy small data. The conditional entropy of the labels given the input remains.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from typing import Any, Optional

from dlmon_probes.training import structures, tensors
from dlmon_probes.training.graph import walk

MOST_LABELS = 65_536  # of a batch that are looked at: above, whole images, whose rows do not repeat
NEAR = 200  # nodes from the loss in which its one term is looked for


def floor_of_rows(loss: Any, inputs: list[structures.Leaf]) -> Optional[tuple[float, str]]:
    """(floor, how it comes about) of a loss of hard labels, given what the model was called with; None where no two
    rows contradict each other or that cannot be known. Reads values, so waits for a device."""
    node = _only_term(loss)
    if node is None:
        return None
    with tensors.immune():
        target = node._saved_target.reshape(-1).to("cpu")
        if not 0 < target.numel() <= MOST_LABELS:
            return None
        keys = _keys(inputs, target.numel())
        scores = tensors.local(node._saved_self)
        if keys is None or scores is None:
            return None
        labels = target.tolist()
        kept = [i for i, label in enumerate(labels) if label >= 0]
        bits, rows = _conditional_entropy([(keys[i], labels[i]) for i in kept])
        plain = _mean_loss(scores, target)
        value = float(loss.detach().float().item())
    if bits <= 1e-6 or not plain or not math.isfinite(value):
        return None
    return bits * value / plain, f"hard labels, of which {rows:,} contradict another row with the same input"


def _only_term(loss: Any) -> Optional[Any]:
    found: list[Any] = []

    def visit(node: Any) -> None:
        if type(node).__name__.startswith("NllLoss"):
            found.append(node)

    if loss.grad_fn is not None:
        walk(loss.grad_fn, visit, most=NEAR)
    usable = len(found) == 1 and found[0]._saved_weight is None and found[0]._saved_reduction == 1
    return found[0] if usable else None


def _keys(inputs: list[structures.Leaf], labels: int) -> Optional[list[Any]]:
    """What is known of each label's input: whole rows, or for tokens all that stands before."""
    found = [leaf.tensor for leaf in inputs if leaf.tensor.dim() and leaf.tensor.numel()]
    if not found:
        return None
    rows = int(found[0].shape[0])
    same = [tensor for tensor in found if int(tensor.shape[0]) == rows]
    if labels == rows:
        return [tuple(parts) for parts in zip(*(_rows(tensor) for tensor in same))]
    tokens = next((t for t in same if t.dim() == 2 and not t.dtype.is_floating_point), None)
    if tokens is None or labels % rows or not 0 < labels // rows <= int(tokens.shape[1]):
        return None
    width = labels // rows
    return [key for row in tokens.to("cpu").tolist() for key in _prefixes(row[:width])]


def _prefixes(row: list[int]) -> list[int]:
    keys: list[int] = []
    key = 0
    for token in row:
        key = hash((key, token))
        keys.append(key)
    return keys


def _rows(tensor: Any) -> list[bytes]:
    flat = tensor.detach().to("cpu").reshape(tensor.shape[0], -1).contiguous()
    torch = tensors.torch_module()
    width = flat.shape[1] * flat.element_size()
    data = bytes(flat.view(torch.uint8).reshape(-1).tolist())
    return [data[i : i + width] for i in range(0, len(data), width)]


def _conditional_entropy(pairs: list[tuple[Any, int]]) -> tuple[float, int]:
    """(mean over the pairs, in nats; pairs whose key has several labels)."""
    groups: dict[Any, Counter[int]] = defaultdict(Counter)
    for key, label in pairs:
        groups[key][label] += 1
    total, contradicting = 0.0, 0
    for counts in groups.values():
        size = sum(counts.values())
        if len(counts) > 1:
            contradicting += size
            total -= sum(count * math.log(count / size) for count in counts.values())
    return total / max(1, len(pairs)), contradicting


def _mean_loss(log_probabilities: Any, target: Any) -> float:
    """The loss node's own value, to see by what the script multiplied it."""
    torch = tensors.torch_module()
    scores = log_probabilities.detach().float().to("cpu")
    if scores.dim() > 2:
        scores = scores.movedim(1, -1).reshape(-1, scores.shape[1])
    kept = (target >= 0) & (target < scores.shape[-1])
    rows = torch.arange(target.numel())[kept]
    return float(-scores[rows, target[kept]].mean().item()) if rows.numel() else 0.0
