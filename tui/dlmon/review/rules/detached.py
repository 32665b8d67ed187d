"""Losses that have lost the way back to the parameters before backward."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence

from dlmon.checks.finding import ERROR
from dlmon.review.flow import Definition
from dlmon.review.outputs import ARGMAX, DETACH, ITEM
from dlmon.review.rule import Place, Reading, at, rule
from dlmon.review.rules.losses import loss_calls, prediction
from dlmon.review.source import Source, dotted

NO_GRAD = frozenset({"torch.no_grad", "torch.inference_mode", "torch.autograd.no_grad"})
_REWRAPS = frozenset({
    "torch.tensor", "torch.Tensor", "torch.FloatTensor", "torch.as_tensor", "torch.from_numpy",
    "torch.autograd.Variable",
})  # fmt: skip


def backwards(reading: Reading) -> Sequence[tuple[ast.Call, ast.expr, Source]]:
    """Every backward call, with the loss it starts from."""
    return reading.once("backwards", lambda: _backwards(reading))


def _backwards(reading: Reading) -> Iterator[tuple[ast.Call, ast.expr, Source]]:
    for source, call in reading.project.calls("backward", "manual_backward"):
        if not isinstance(call.func, ast.Attribute):
            continue
        on = call.func.value
        if call.args and dotted(on).rpartition(".")[2] in ("accelerator", "fabric", "engine", "self"):
            on = call.args[0]
        elif isinstance(on, ast.Call) and isinstance(on.func, ast.Attribute) and on.func.attr == "scale" and on.args:
            on = on.args[0]
        yield call, on, source


def only_definition(node: ast.expr, source: Source, reading: Reading) -> Definition | None:
    """The one assignment that a plain name stands for here."""
    if not isinstance(node, ast.Name):
        return None
    found = reading.project.definitions(node, source)
    made = found[0][0] if found is not None and len(found[0]) == 1 else None
    return made if made is not None and made.kind == "assign" and not made.path else None


@rule("loss_detached", ERROR)
def loss_detached(reading: Reading) -> Iterator[Place]:
    """backward on what `.item()`, `.detach()` or a new tensor has cut off from the graph."""
    for call, loss, source in backwards(reading):
        tail = reading.outputs.only(loss, source, ITEM, DETACH)
        if tail is not None and "requires_grad" not in tail.source.line(getattr(tail.node, "lineno", 0)):
            how = "a plain number" if tail.kind == ITEM else "cut off from the graph"
            yield Place(
                tail.node, tail.source,
                f"the loss becomes {how} here, and backward() is called on it "
                f"({at(call, source, tail.source)})",
                "Call backward() on the loss itself; take `.item()` or `.detach()` of it only for logging.",
                evidence={"backward": at(call, source)},
            )  # fmt: skip
            continue
        made = only_definition(loss, source, reading)
        wrapped = made.value if made is not None else None
        if isinstance(wrapped, ast.Call) and _rewraps(wrapped, source, reading):
            yield Place(
                wrapped, source,
                "the loss is put into a new tensor, which has no history: backward() reaches no "
                "parameter",
                "Call backward() on the loss as the loss function "
                "returned it.", evidence={"backward": at(call, source)},
            )  # fmt: skip


def _rewraps(call: ast.Call, source: Source, reading: Reading) -> bool:
    """`torch.tensor(loss)`, `Variable(loss, requires_grad=True)` of something that a loss function returned."""
    name = reading.resolver.library(call.func, source)
    if name not in _REWRAPS or not call.args:
        return False
    if name.endswith("Variable") and not call.keywords:
        return False  # since torch 0.4 this gives the tensor itself back
    first = call.args[0]
    if isinstance(first, (ast.List, ast.Tuple)) and len(first.elts) == 1:
        first = first.elts[0]
    if isinstance(first, ast.Call) and isinstance(first.func, ast.Attribute) and first.func.attr == "item":
        first = first.func.value
    inner = only_definition(first, source, reading)
    return bool(reading.roles.loss(inner.value if inner is not None and inner.value is not None else first, source))


@rule("backward_of_no_grad", ERROR)
def backward_of_no_grad(reading: Reading) -> Iterator[Place]:
    """A loss that is computed under no_grad and then given to backward."""
    for call, loss, source in backwards(reading):
        made = only_definition(loss, source, reading)
        if made is None or made.value is None or source.scope(made.node) is not source.scope(call):
            continue
        block = no_grad_around(made.node, source, reading)
        calculates = isinstance(made.value, ast.Call) and bool(reading.roles.loss(made.value, source))
        if block is not None and calculates and not reading.project.mentions("enable_grad", "set_grad_enabled"):
            yield Place(
                call, source,
                f"the loss is computed under no_grad ({at(block, source, source)}): backward() "
                "raises, there is no graph",
                "Move forward and loss out of the no_grad block.", evidence={"no_grad": at(block, source)},
            )  # fmt: skip


def no_grad_around(node: ast.AST, source: Source, reading: Reading) -> ast.AST | None:
    """The `with torch.no_grad()` that a node stands in, within its function."""
    block = source.enclosing(node, ast.With, ast.AsyncWith)
    while isinstance(block, (ast.With, ast.AsyncWith)):
        for item in block.items:
            expression = item.context_expr
            called = expression.func if isinstance(expression, ast.Call) else expression
            if reading.resolver.library(called, source) in NO_GRAD:
                return block
        block = source.enclosing(block, ast.With, ast.AsyncWith)
    return None


@rule("argmax_in_loss", ERROR)
def argmax_in_loss(reading: Reading) -> Iterator[Place]:
    """A loss of predicted classes: argmax has no gradient."""
    starts = [
        made.value for _, loss, source in backwards(reading)
        if (made := only_definition(loss, source, reading)) is not None
    ]  # fmt: skip
    for _, call, source in loss_calls(reading):
        given = prediction(call)
        if given is None or not any(call is start for start in starts):
            continue
        tail = reading.outputs.only(given, source, ARGMAX)
        if tail is not None:
            yield Place(
                call, source,
                f"the loss is computed from an argmax ({at(tail.node, tail.source, source)}), which "
                "passes no gradient on",
                "Give the loss the raw output; use argmax only for "
                "accuracy.", evidence={"argmax": at(tail.node, tail.source)},
            )  # fmt: skip
