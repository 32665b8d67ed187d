"""Terms of one loss that hold against each other: each could reach its floor alone, both cannot."""

from __future__ import annotations

from typing import Any

from dlmon_probes.stages.data.digests import value_bits
from dlmon_probes.stages.losses.floor_graph import NotKnown, Term

# Operations through which an output is still the same output, seen from the term above it.
_THROUGH = frozenset(
    {
        "ViewBackward0", "UnsafeViewBackward0", "ReshapeAliasBackward0", "SqueezeBackward0", "SqueezeBackward1",
        "UnsqueezeBackward0", "TransposeBackward0", "TBackward0", "PermuteBackward0", "CloneBackward0",
        "ToCopyBackward0", "AliasBackward0", "ExpandBackward0", "MulBackward0", "DivBackward0", "MulBackward1",
        "DivBackward1", "SubBackward0", "SubBackward1", "AddBackward0", "AddBackward1", "RsubBackward0",
        "RsubBackward1", "NegBackward0", "SoftmaxBackward0", "LogSoftmaxBackward0", "SigmoidBackward0",
        "TanhBackward0", "LogBackward0", "ExpBackward0", "AbsBackward0", "PowBackward0", "ReluBackward0",
        "ClampMinBackward0", "ClampBackward0", "ClampBackward1", "MeanBackward0", "SumBackward0", "MseLossBackward0",
    }
)  # fmt: skip
_PARTS = frozenset(
    {"SliceBackward0", "SelectBackward0", "SplitBackward0", "UnbindBackward0", "SplitWithSizesBackward0"}
)
_PENALTIES = frozenset(
    {
        "PowBackward0", "MulBackward0", "AbsBackward0", "LinalgVectorNormBackward0", "NormBackward0", "NormBackward1",
        "ReluBackward0", "ClampMinBackward0", "ClampBackward1",
    }
)  # fmt: skip
MOST = 64

Output = tuple[tuple[Any, int], tuple[Any, ...]]  # the node that made it; the parts taken of it, outermost last


def refuse(groups: list[Any]) -> None:
    """Raises NotKnown when two of these `floor_terms.Group`s pull at the same output towards different targets, or
    one of them has no target: how small it gets then depends on the others."""
    outputs: list[tuple[Output, Any]] = []
    for group in groups:
        for term in group.terms:
            if term.op in _PENALTIES and not _has_target(term.node):
                raise NotKnown("a loss with a penalty beside it (a term that has no target)")
        target = _target_of(group.terms[0]) if len(group.terms) == 1 else group
        mine = [(output, target) for term in group.terms for output in _outputs_of(term.node)]
        for output, wanted in mine:
            if any(_same(output, other) and wanted != theirs for other, theirs in outputs):
                raise NotKnown("two losses that pull at one output")
        outputs += mine


def _target_of(term: Term) -> Any:
    target = getattr(term.node, "_saved_target", None)
    return term.node if target is None else (tuple(target.shape), value_bits(target))


def _outputs_of(node: Any) -> list[Output]:
    """What a term is about: found through elementwise operations and views, with the parts taken on the way."""
    found: list[Output] = []
    waiting: list[tuple[Any, int, tuple[Any, ...]]]
    waiting = [(below, index, ()) for below, index in node.next_functions if below is not None]
    for _ in range(MOST):
        if not waiting:
            break
        node, index, parts = waiting.pop()
        op = type(node).__name__
        if op in _PARTS:
            parts = ((op, index, *_cut(node)), *parts)
        elif op not in _THROUGH:
            found.append(((node, index), parts))
            continue
        waiting += [(below, at, parts) for below, at in node.next_functions if below is not None]
    return found


def _cut(node: Any) -> tuple[Any, ...]:
    names = ("dim", "start", "end", "step", "index", "split_size", "split_sizes")
    return tuple(str(getattr(node, f"_saved_{name}", None)) for name in names)


def _same(one: Output, other: Output) -> bool:
    """The same output, or one is a part of the other. Different parts of one output are two outputs."""
    shorter = min(len(one[1]), len(other[1]))
    return bool(one[0] == other[0] and one[1][:shorter] == other[1][:shorter])


def _has_target(node: Any) -> bool:
    """`prediction - target`: a difference with something that needs no gradient stands right below."""
    below = node.next_functions[0][0]
    while type(below).__name__ in ("ViewBackward0", "SqueezeBackward0", "SqueezeBackward1"):
        below = below.next_functions[0][0]
    inputs = below.next_functions if below is not None else ()
    differs = type(below).__name__ in ("SubBackward0", "RsubBackward0", "RsubBackward1", "AddBackward0")
    return differs and any(following is None for following, _ in inputs)
