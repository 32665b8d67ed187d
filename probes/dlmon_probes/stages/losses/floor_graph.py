"""A loss taken apart: a weighted sum of known terms and a constant, read off its autograd graph.

Between the loss and its terms stand operations that are linear: sums, means, quotients by constants, picks, views. A
node's own backward function gives the weight that each of its inputs has in the loss, so nothing of this is computed
by hand: `node(weight)` runs that one function, keeps what it saved and touches no `.grad`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Optional

from dlmon_probes.training import tensors

MOST_VISITS = 400
LARGEST = 1 << 24  # log-probabilities: above, their weights would take as much memory as the backward itself

LINEAR = frozenset(
    {
        "AddBackward0", "AddBackward1", "SubBackward0", "SubBackward1", "RsubBackward0", "RsubBackward1",
        "NegBackward0", "SumBackward0", "SumBackward1", "MeanBackward0", "MeanBackward1", "MulBackward1",
        "DivBackward1", "IndexBackward0", "GatherBackward0", "SelectBackward0", "SliceBackward0", "ViewBackward0",
        "UnsafeViewBackward0", "ReshapeAliasBackward0", "SqueezeBackward0", "SqueezeBackward1", "SqueezeBackward2",
        "UnsqueezeBackward0", "TransposeBackward0", "TBackward0", "PermuteBackward0", "ExpandBackward0",
        "CloneBackward0", "ToCopyBackward0", "AliasBackward0", "StackBackward0", "CatBackward0",
        "MaskedFillBackward0", "MaskedFillBackward1", "MaskedSelectBackward0", "WhereBackward0", "NllLossBackward0",
        "NllLoss2DBackward0", "IndexSelectBackward0", "UnbindBackward0", "SplitBackward0", "AsStridedBackward0",
    }
)  # fmt: skip
PRODUCTS = frozenset({"MulBackward0", "DivBackward0", "DotBackward0", "MvBackward0"})
# Where a constant may come in that the graph does not keep: `loss + 1`, `1 - x`, the entropy in a KL divergence.
ADDS_CONSTANT = frozenset(
    {
        "AddBackward0", "SubBackward0", "SubBackward1", "RsubBackward0", "RsubBackward1", "WhereBackward0",
        "MaskedFillBackward0", "MaskedFillBackward1", "StackBackward0", "CatBackward0",
    }
)  # fmt: skip


class NotKnown(Exception):
    """The loss cannot be taken apart; the text says at what."""


@dataclass
class Term:
    """A node that is no linear operation, and the weight of each element of its output in the loss."""

    node: Any
    weight: Any

    @property
    def op(self) -> str:
        return type(self.node).__name__


@dataclass
class Parts:
    """terms: each node once. constant: an operation that may add a constant was passed."""

    terms: list[Term]
    constant: bool


def take_apart(root: Any, like: Any) -> Parts:
    """The terms of the loss whose graph begins at `root`. like: a tensor of the loss's shape, type and device.

    Raises NotKnown. Call it within `tensors.immune()`.
    """
    torch = tensors.torch_module()
    terms: dict[Any, Term] = {}
    constant = False
    waiting = [(root, 0, torch.ones_like(like))]
    for _ in range(MOST_VISITS):
        if not waiting:
            return Parts(list(terms.values())[::-1], constant)
        node, output, weight = waiting.pop()
        weight = _fitted(node, output, weight)
        if not is_linear(node):
            known = terms.get(node)
            terms[node] = Term(node, weight if known is None else known.weight + weight)
            continue
        constant |= type(node).__name__ in ADDS_CONSTANT
        below = node(*_outputs(node, output, weight))
        below = below if isinstance(below, tuple) else (below,)
        for (following, index), share in zip(node.next_functions, below):
            if following is not None and share is not None:
                waiting.append((following, index, share))
    raise NotKnown("a loss made of very many terms")


def is_linear(node: Any) -> bool:
    """Whether its output is a linear function of the inputs that require a gradient, and of a size to be looked at."""
    op = type(node).__name__
    if op.startswith("NllLoss"):
        return bool(node._saved_self.numel() <= LARGEST)
    if op in PRODUCTS:
        inputs = [following for following, _ in node.next_functions if following is not None]
        if op == "DivBackward0":
            return node.next_functions[0][0] is not None and len(inputs) == 1
        return len(inputs) == 1
    return op in LINEAR


def is_square(node: Any) -> bool:
    """`d * d`, or `(a - b) * (a - b)`: a product of two equal things."""
    if type(node).__name__ != "MulBackward0":
        return False
    one, other = node._saved_self, node._saved_other
    return one is not None and other is not None and bool(tensors.torch_module().equal(one, other))


def _outputs(node: Any, output: int, weight: Any) -> list[Any]:
    """The weights of all outputs of a node of which one is looked at: UnbindBackward0 has many."""
    metadata = getattr(node, "_input_metadata", None)
    count = len(metadata) if metadata is not None else 1
    if count <= 1 and not output:
        return [weight]
    if metadata is None:
        raise NotKnown(f"a loss made of {type(node).__name__}")
    torch = tensors.torch_module()
    return [
        weight if i == output else torch.zeros(tuple(one.shape), dtype=one.dtype, device=one.device)
        for i, one in enumerate(metadata)
    ]


def _fitted(node: Any, output: int, weight: Any) -> Any:
    """Broadcasting undone, which the engine does between nodes: a weight has the shape of its node's output."""
    metadata: Optional[Any] = getattr(node, "_input_metadata", None)
    if metadata is None or output >= len(metadata):
        return weight
    shape = tuple(metadata[output].shape)
    return weight if tuple(weight.shape) == shape else weight.sum_to_size(shape)
