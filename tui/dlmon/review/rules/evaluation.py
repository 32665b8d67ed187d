"""Loops over evaluation data: in which mode, and with or without a graph."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from dlmon.checks.finding import HINT, WARNING
from dlmon.review.kinds import Unknown
from dlmon.review.layers import depends_on_mode
from dlmon.review.rule import Place, Reading, rule
from dlmon.review.rules.detached import NO_GRAD, no_grad_around
from dlmon.review.rules.loop_parts import FRAMEWORKS
from dlmon.review.source import Function, Source, dotted, last_name

_HELD_OUT = re.compile(
    r"(^|_)(val|valid|validation|test|eval|dev)(_|$|\d|loader|[A-Z])|^(val|test|eval)(loader|data|set)", re.IGNORECASE
)
# Dropout that stays on when it should: Monte Carlo dropout and its relatives.
_ON_PURPOSE = re.compile(r"monte|mc_?drop|bayes|uncertain|adapt|tta", re.IGNORECASE)


def evaluation_loops(reading: Reading) -> Iterator[tuple[ast.For, ast.Call, Source]]:
    """Loops over what is called like held-out data that run a model and no backward: (loop, the model's call)."""
    for source in reading.project.sources:
        for calls in source.calls.values():
            for call in calls:
                loop = source.enclosing(call, ast.For)
                if not isinstance(loop, ast.For) or not _HELD_OUT.search(_over(loop)):
                    continue
                if reading.outputs.from_model(call, source) and not _trains(loop):
                    yield loop, call, source


def _over(loop: ast.For) -> str:
    """The name of what a loop goes over, through enumerate and tqdm."""
    node: ast.expr = loop.iter
    while isinstance(node, ast.Call) and node.args and isinstance(node.func, (ast.Name, ast.Attribute)):
        if last_name(node.func) not in ("enumerate", "tqdm", "iter", "track", "islice", "zip"):
            break
        node = node.args[0]
    return last_name(node)


def _trains(loop: ast.For) -> bool:
    names = {last_name(node.func) for node in ast.walk(loop) if isinstance(node, ast.Call)}
    return bool(names & {"backward", "grad", "requires_grad_", "manual_backward", "attack", "perturb"})


@rule("eval_without_eval_mode", WARNING)
def eval_without_eval_mode(reading: Reading) -> Iterator[Place]:
    """A model with dropout or batch norm that is evaluated without model.eval() anywhere."""
    project = reading.project
    switched = any(
        (call.args and isinstance(call.args[0], ast.Constant) and call.args[0].value is False) or call.keywords
        for _, call in project.calls("train")
    ) or any(isinstance(call.func, ast.Attribute) for _, call in project.calls("eval"))
    if switched or project.imports(*FRAMEWORKS) or project.reads("training"):
        return
    seen: set[ast.AST] = set()
    for loop, call, source in evaluation_loops(reading):
        values = reading.resolver.values(call.func, source)
        layers = [depends_on_mode(reading, value) for value in values]
        if loop in seen or any(isinstance(v, Unknown) for v in values) or None in layers:
            continue
        if _ON_PURPOSE.search("\n".join(source.lines[loop.lineno - 5 : loop.end_lineno])):
            continue
        seen.add(loop)
        layer = layers[0]
        name = dotted(call.func) or "model"
        yield Place(
            call, source,
            f"{name} is evaluated in training mode: nothing calls {name}.eval(), so "
            f"{ast.unparse(layer)[:40] if layer else ''} stays active",
            f"Call `{name}.eval()` before the loop and `{name}.train()` after it.",
        )  # fmt: skip


@rule("eval_without_no_grad", HINT)
def eval_without_no_grad(reading: Reading) -> Iterator[Place]:
    """An evaluation that builds a graph nobody uses."""
    project = reading.project
    if project.imports(*FRAMEWORKS) or project.mentions("set_grad_enabled"):
        return
    seen: set[ast.AST] = set()
    for loop, call, source in evaluation_loops(reading):
        if loop in seen or _without_graph(call, source, source.scope(call), reading, 0):
            continue
        seen.add(loop)
        yield Place(
            call, source,
            "evaluation runs with gradients on: it keeps every activation for a backward that "
            "never comes",
            "Put the loop into `with torch.no_grad():`.",
        )  # fmt: skip


def _without_graph(node: ast.AST, source: Source, scope: Function, reading: Reading, depth: int) -> bool:
    """Whether gradients are off there: a block around it, a decorator, or all the calls that lead there."""
    if no_grad_around(node, source, reading) is not None:
        return True
    for decorator in scope.decorators:
        called = decorator.func if isinstance(decorator, ast.Call) else decorator
        if reading.resolver.library(called, source) in NO_GRAD:
            return True
    callers = reading.resolver.callers(scope) if depth < 4 and scope.outer is not None else []
    return bool(callers) and all(
        _without_graph(call, other, other.scope(call), reading, depth + 1) for other, call, _ in callers
    )
