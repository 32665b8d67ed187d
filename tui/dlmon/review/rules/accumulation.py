"""Losses that are kept with their graphs."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from dlmon.checks.finding import HINT, WARNING
from dlmon.review.rule import Place, Reading, rule
from dlmon.review.rules.detached import backwards
from dlmon.review.source import LOOPS, Source


@rule("loss_kept_with_graph", WARNING)
def loss_kept_with_graph(reading: Reading) -> Iterator[Place]:
    """`total += loss` without .item(): the sum keeps what backward needs, for every step so far."""
    for _, loss, source in backwards(reading):
        if not isinstance(loss, ast.Name):
            continue
        loop = source.enclosing(loss, *LOOPS)
        known = reading.project.definitions(loss, source)
        if loop is None or known is None or not known[0] or any(made.kind != "assign" for made in known[0]):
            continue
        for load in source.loads.get(loss.id, ()):
            if source.enclosing(load, *LOOPS) is not loop:
                continue
            same = reading.project.definitions(load, source)
            if same is None or set(same[0]) != set(known[0]):
                continue
            found = _kept(load, source)
            if found is None:
                continue
            statement, name, listed = found
            if _feeds_backward(name, source, reading) or _reset_within(name, loop):
                continue
            what = "the list" if listed else "the sum"
            yield Place(
                statement, source,
                f"{what} {name} keeps the loss of every step with its graph: memory grows from "
                "step to step",
                f"Add `{loss.id}.item()` (or `{loss.id}.detach()`).", HINT if listed else WARNING,
            )  # fmt: skip


def _kept(load: ast.Name, source: Source) -> tuple[ast.stmt, str, bool] | None:
    """(statement, name, whether a list) of `total += loss * n`, `total = total + loss` and `losses.append(loss)`."""
    node: ast.AST = load
    parent = source.parents.get(node)
    while isinstance(parent, ast.BinOp):
        node, parent = parent, source.parents.get(parent)
    if isinstance(parent, ast.AugAssign) and parent.value is node and isinstance(parent.op, ast.Add):
        return (parent, parent.target.id, False) if isinstance(parent.target, ast.Name) else None
    if isinstance(parent, ast.Assign) and isinstance(node, ast.BinOp) and isinstance(parent.targets[0], ast.Name):
        name = parent.targets[0].id
        sums = isinstance(node.op, ast.Add) and isinstance(node.left, ast.Name) and node.left.id == name
        return (parent, name, False) if sums and name != load.id else None
    if (
        isinstance(parent, ast.Call)
        and node is load
        and parent.args == [load]
        and isinstance(parent.func, ast.Attribute)
    ):
        on = parent.func.value
        statement = source.parents.get(parent)
        if parent.func.attr == "append" and isinstance(on, ast.Name) and isinstance(statement, ast.Expr):
            return statement, on.id, True
    return None


def _feeds_backward(name: str, source: Source, reading: Reading) -> bool:
    """Whether the sum itself, or something computed from it, is what backward starts from."""
    for _, loss, other in backwards(reading):
        if other is not source:
            continue
        names = {part.id for part in ast.walk(loss) if isinstance(part, ast.Name)}
        for _ in range(3):
            if name in names:
                return True
            names |= {
                part.id for one in list(names) for made in _assigned(one, source, reading)
                for part in ast.walk(made) if isinstance(part, ast.Name)
            }  # fmt: skip
    return False


def _assigned(name: str, source: Source, reading: Reading) -> Iterator[ast.expr]:
    for function in source.functions.values():
        for made in reading.project.flow(function).every.get(name, ()):
            if made.value is not None:
                yield made.value


def _reset_within(name: str, loop: ast.AST) -> bool:
    """Whether the loop itself starts the sum anew, takes it out of the graph or empties the list."""
    for node in ast.walk(loop):
        if isinstance(node, ast.Assign) and any(isinstance(t, ast.Name) and t.id == name for t in node.targets):
            inner = {part.id for part in ast.walk(node.value) if isinstance(part, ast.Name)}
            if name not in inner or any(isinstance(part, ast.Call) for part in ast.walk(node.value)):
                return True
        elif (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and isinstance(node.func.value, ast.Name)
        ):
            if node.func.value.id == name and node.func.attr in ("clear", "pop", "detach_", "popleft"):
                return True
        elif isinstance(node, ast.Delete):
            return True
    return False
