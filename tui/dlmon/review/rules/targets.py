"""The second argument of a loss: in the wrong place, or of the wrong kind of number."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from dlmon.checks.finding import ERROR, WARNING
from dlmon.review.rule import Place, Reading, rule
from dlmon.review.rules.losses import BCE, BCE_LOGITS, CROSS_ENTROPY, NLL, loss_calls, prediction, target
from dlmon.review.source import Source, dotted


@rule("loss_arguments_swapped", ERROR)
def loss_arguments_swapped(reading: Reading) -> Iterator[Place]:
    """The target first and the prediction second."""
    for name, call, source in loss_calls(reading):
        if name not in CROSS_ENTROPY | NLL | BCE | BCE_LOGITS:
            continue
        first, second = prediction(call), target(call)
        if first is None or second is None or any(k.arg in ("input", "target") for k in call.keywords):
            continue
        if _from_data(first, source, reading) and reading.outputs.from_model(second, source):
            yield Place(
                call, source,
                "the target is given first and the model's output second: the loss wants the "
                "output first",
                "Exchange the two arguments: `loss(output, target)`.",
                ERROR if name in CROSS_ENTROPY | NLL else WARNING,
            )  # fmt: skip


def _from_data(node: ast.expr, source: Source, reading: Reading) -> bool:
    """Whether a plain name is what a loop over data gives, and nothing else."""
    while isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in _KEPT:
        node = node.func.value
    if not isinstance(node, ast.Name):
        return False
    found = reading.project.definitions(node, source)
    if found is None or not found[0]:
        return False
    for made in found[0]:
        if made.kind == "for":
            continue
        moved = (
            made.kind == "assign" and isinstance(made.value, ast.Call) and dotted(made.value.func) == f"{node.id}.to"
        )
        if not moved:
            return False
    return True


_KEPT = frozenset({"to", "cuda", "cpu", "long", "float", "view", "squeeze", "unsqueeze", "reshape", "flatten"})


@rule("target_dtype", ERROR)
def target_dtype(reading: Reading) -> Iterator[Place]:
    """Targets cast to a kind of number that the loss does not take."""
    for name, call, source in loss_calls(reading):
        given = target(call)
        cast = _cast(given)
        if given is None or cast is None:
            continue
        if name in BCE | BCE_LOGITS and cast in ("long", "int"):
            yield Place(
                given, source,
                f"binary cross entropy gets targets cast by .{cast}() and wants floating point: "
                "it raises",
                "Write `.float()`.",
            )  # fmt: skip
        elif name in CROSS_ENTROPY | NLL and cast in ("float", "double", "half") and _is_index(given, source, reading):
            yield Place(
                given, source, f"class numbers are cast by .{cast}(): {name} wants them as integers (long) and raises",
                "Write `.long()`, or leave the cast out.",
            )  # fmt: skip


def _cast(node: ast.expr | None) -> str | None:
    """`float` of `y.float()`."""
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and not node.args:
        return node.func.attr if node.func.attr in ("float", "double", "half", "long", "int") else None
    return None


def _is_index(node: ast.expr, source: Source, reading: Reading) -> bool:
    """Whether the same name is compared with an argmax in the same function, so that it holds class numbers."""
    inner = node.func.value if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) else node
    if not isinstance(inner, ast.Name):
        return False
    scope = source.scope(node)
    for load in source.loads.get(inner.id, ()):
        compare = source.parents.get(load)
        if isinstance(compare, ast.Compare) and len(compare.ops) == 1 and isinstance(compare.ops[0], ast.Eq):
            other = compare.comparators[0] if compare.left is load else compare.left
            if source.scope(load) is scope and reading.outputs.only(other, source, "argmax") is not None:
                return True
    return False
