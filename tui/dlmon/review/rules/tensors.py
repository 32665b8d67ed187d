"""Slips with tensors: dropout that stays on, division that floors, updates in place, shapes that mix samples."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from dlmon.checks.finding import ERROR, HINT, WARNING
from dlmon.review.outputs import LINEAR
from dlmon.review.rule import Place, Reading, at, rule
from dlmon.review.rules.detached import NO_GRAD, no_grad_around
from dlmon.review.rules.losses import BCE_LOGITS, loss_calls, prediction
from dlmon.review.rules.modules import module_classes
from dlmon.review.source import Source, argument, dotted, keyword, open_ended

_DROPOUTS = frozenset({
    f"torch.nn.functional.{name}" for name in ("dropout", "dropout1d", "dropout2d", "dropout3d", "alpha_dropout")
})  # fmt: skip
_ON_PURPOSE = re.compile(r"mc|monte|bayes|always|sample|uncertain", re.IGNORECASE)


@rule("functional_dropout", WARNING)
def functional_dropout(reading: Reading) -> Iterator[Place]:
    """F.dropout without training=: it stays on in evaluation."""
    modules = {cls.node for cls in module_classes(reading)}
    for source, call in reading.project.calls(*(name.rpartition(".")[2] for name in _DROPOUTS)):
        if reading.resolver.library(call.func, source) not in _DROPOUTS or open_ended(call):
            continue
        if argument(call, 2, "training") is not None or _mentions_training(call, source):
            continue
        scope = source.scope(call)
        if scope.owner is None or scope.owner.node not in modules or _ON_PURPOSE.search(scope.owner.name + scope.name):
            continue
        rate = argument(call, 1, "p")
        if isinstance(rate, ast.Constant) and not rate.value:
            continue
        yield Place(
            call, source, "this dropout does not know of model.eval(): it also drops during evaluation",
            "Pass `training=self.training`, or use an nn.Dropout layer.",
        )  # fmt: skip


def _mentions_training(call: ast.Call, source: Source) -> bool:
    """Whether the rate depends on `training`, or the call stands under a test of it."""
    if any(isinstance(part, ast.Attribute) and part.attr == "training" for part in ast.walk(call)):
        return True
    block = source.enclosing(call, ast.If, ast.IfExp)
    while isinstance(block, (ast.If, ast.IfExp)):
        if any("train" in (getattr(part, "attr", "") or getattr(part, "id", "")) for part in ast.walk(block.test)):
            return True
        block = source.enclosing(block, ast.If, ast.IfExp)
    return False


_COUNTS = re.compile(r"(^|_)(correct|hits|right|n_correct|num_correct|acc|accuracy|loss)(_|$)", re.IGNORECASE)
_RATIOS = re.compile(r"acc|loss|avg|mean|ratio|rate|score", re.IGNORECASE)


@rule("floor_division", WARNING)
def floor_division(reading: Reading) -> Iterator[Place]:
    """`accuracy = correct // total` is 0 until everything is right."""
    for source in reading.project.sources:
        for name, loads in source.loads.items():
            if not _COUNTS.search(name):
                continue
            for load in loads:
                operation = source.parents.get(load)
                if (
                    not isinstance(operation, ast.BinOp)
                    or operation.left is not load
                    or not isinstance(operation.op, ast.FloorDiv)
                ):
                    continue
                statement = source.parents.get(operation)
                target = dotted(statement.targets[0]) if isinstance(statement, ast.Assign) else ""
                if _RATIOS.search(target):
                    yield Place(
                        operation, source, f"`//` rounds {target} down to a whole number", "Use `/`.",
                    )  # fmt: skip


@rule("leaf_updated_in_place", ERROR)
def leaf_updated_in_place(reading: Reading) -> Iterator[Place]:
    """`w -= lr * w.grad` outside no_grad, on a tensor that requires a gradient."""
    for source in reading.project.sources:
        for node in source.reads.get("grad", ()):
            statement = source.statement(node)
            if not isinstance(statement, (ast.AugAssign, ast.Assign)) or not isinstance(node.value, ast.Name):
                continue
            target = statement.target if isinstance(statement, ast.AugAssign) else statement.targets[0]
            if not isinstance(target, ast.Name) or target.id != node.value.id or not _leaf(node, source, reading):
                continue
            if _no_graph(statement, source, reading):
                continue
            in_place = isinstance(statement, ast.AugAssign)
            if not in_place and source.enclosing(statement, ast.For, ast.While) is None:
                continue
            what = (
                "a leaf that requires a gradient is changed in place: torch raises here" if in_place
                else "the parameter becomes the result of a computation: from the next backward on its .grad stays None"
            )  # fmt: skip
            yield Place(
                statement, source, f"{target.id}: {what}",
                f"Write `with torch.no_grad(): {target.id} -= …`.", ERROR if in_place else WARNING,
            )  # fmt: skip


def _leaf(node: ast.Attribute, source: Source, reading: Reading) -> bool:
    """Whether the first value of a name is a tensor made with requires_grad=True, and nobody detaches it later."""
    if not isinstance(node.value, ast.Name):
        return False
    found = reading.project.definitions(node.value, source)
    definitions = [made for made in (found[0] if found else ()) if made.kind == "assign"]
    leaves = [made for made in definitions if isinstance(made.value, ast.Call) and _asks(made.value, source, reading)]
    others = [made for made in definitions if made not in leaves]
    own = [made for made in others if made.value is not None and _within(node, made.value)]
    return bool(leaves) and others == own


def _within(node: ast.AST, tree: ast.AST) -> bool:
    return any(part is node for part in ast.walk(tree))


def _asks(call: ast.Call, source: Source, reading: Reading) -> bool:
    asked = keyword(call, "requires_grad")
    name = reading.resolver.library(call.func, source)
    return name.startswith("torch.") and (
        name == "torch.nn.Parameter" or (isinstance(asked, ast.Constant) and asked.value is True)
    )


def _no_graph(node: ast.AST, source: Source, reading: Reading) -> bool:
    if no_grad_around(node, source, reading) is not None or reading.project.mentions("set_grad_enabled"):
        return True
    for decorator in source.scope(node).decorators:
        called = decorator.func if isinstance(decorator, ast.Call) else decorator
        if reading.resolver.library(called, source) in NO_GRAD:
            return True
    return False


@rule("view_for_permute", WARNING)
def view_for_permute(reading: Reading) -> Iterator[Place]:
    """`B, C, H, W = x.shape; x.view(B, H, W, C)`: the numbers stay in their order and samples or channels mix."""
    for source, call in reading.project.calls("view", "reshape"):
        if not isinstance(call.func, ast.Attribute) or not isinstance(call.func.value, ast.Name) or len(call.args) < 2:
            continue
        names = [argument.id for argument in call.args if isinstance(argument, ast.Name)]
        if len(names) != len(call.args) or len(set(names)) != len(names):
            continue
        order = [_dimension(a, call.func.value, source, reading) for a in call.args if isinstance(a, ast.Name)]
        if (
            None not in order
            and sorted(order, key=lambda i: i or 0) == list(range(len(order)))
            and order != list(range(len(order)))
        ):
            wanted = ", ".join(str(i) for i in order)
            yield Place(
                call, source,
                f"`{call.func.attr}` does not move dimensions: it mixes the numbers of "
                f"{call.func.value.id}",
                f"Write `{call.func.value.id}.permute({wanted})`.",
            )  # fmt: skip


def _dimension(name: ast.Name, tensor: ast.Name, source: Source, reading: Reading) -> int | None:
    """Which dimension of the same tensor a name was taken from: `B, C = x.shape`."""
    found = reading.project.definitions(name, source)
    same = reading.project.definitions(tensor, source)
    if found is None or same is None or len(found[0]) != 1 or len(found[0][0].path) != 1:
        return None
    value = found[0][0].value
    inner = (
        value.func
        if isinstance(value, ast.Call) and isinstance(value.func, ast.Attribute) and not value.args
        else value
    )
    if (
        not isinstance(inner, ast.Attribute)
        or inner.attr not in ("shape", "size")
        or not isinstance(inner.value, ast.Name)
    ):
        return None
    then = reading.project.definitions(inner.value, source)
    is_same = inner.value.id == tensor.id and then is not None and set(then[0]) == set(same[0])
    return found[0][0].path[0] if is_same and found[0][0].path[0] >= 0 else None


@rule("logits_compared", WARNING)
def logits_compared(reading: Reading) -> Iterator[Place]:
    """Raw outputs compared with class numbers, or with 0.5 as if they were probabilities."""
    logits = _logit_names(reading)
    for source in reading.project.sources:
        for name, loads in source.loads.items():
            for load in loads:
                compare = source.parents.get(load)
                if not isinstance(compare, ast.Compare) or compare.left is not load or len(compare.ops) != 1:
                    continue
                known = reading.project.definitions(load, source)
                if known is None or not known[0]:
                    continue
                other = compare.comparators[0]
                half = (
                    isinstance(other, ast.Constant)
                    and other.value == 0.5
                    and isinstance(compare.ops[0], (ast.Gt, ast.GtE))
                )
                if half and set(known[0]) <= logits:
                    yield Place(
                        compare, source, f"{name} are logits (BCEWithLogits): above 0.5 means a probability above 0.62",
                        f"Compare with 0, or `torch.sigmoid({name}) > 0.5`.", HINT,
                    )  # fmt: skip
                elif isinstance(compare.ops[0], ast.Eq) and isinstance(other, ast.Name) and _counts(compare, source):
                    tail = reading.outputs.only(load, source, LINEAR)
                    data = reading.project.definitions(other, source)
                    labels = data is not None and bool(data[0]) and all(made.kind == "for" for made in data[0])
                    if tail is not None and labels and reading.outputs.from_model(load, source):
                        yield Place(
                            compare, source,
                            f"raw outputs ({at(tail.node, tail.source, source)}) are compared with "
                            "labels: they are never equal",
                            f"Take the class first: `{name}.argmax(1) == {other.id}`.",
                        )  # fmt: skip


def _logit_names(reading: Reading) -> set[object]:
    """Definitions of names that a loss treats as logits."""
    found: set[object] = set()
    for name, call, source in loss_calls(reading):
        given = prediction(call) if name in BCE_LOGITS else None
        if isinstance(given, ast.Name):
            known = reading.project.definitions(given, source)
            found.update(known[0] if known is not None else ())
    return found


def _counts(compare: ast.Compare, source: Source) -> bool:
    """Whether the comparison is summed or averaged: `(out == y).sum()`."""
    parent = source.parents.get(compare)
    return isinstance(parent, ast.Attribute) and parent.attr in ("sum", "float", "mean", "all", "double")
