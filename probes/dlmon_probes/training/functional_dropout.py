"""Calls of functional dropout in the user's forwards that do not say `training=`: read off the source, once."""

from __future__ import annotations

import ast
import time
from collections.abc import Iterator
from types import CodeType
from typing import Any

from dlmon_probes import events
from dlmon_probes.events_model import FunctionalDropout
from dlmon_probes.training import callsite
from dlmon_probes.training.agent import Agent
from dlmon_probes.training.loop import Loop
from dlmon_probes.training.names import walk

NAME = "functional dropout"
NAMES = frozenset({"dropout", "dropout1d", "dropout2d", "dropout3d", "alpha_dropout", "feature_alpha_dropout"})
MOST_CALLS = 8
MOST_SOURCE = 400_000  # bytes of a file that is parsed


class DropoutProbe:
    def __init__(self, agent: Agent) -> None:
        self._agent = agent
        self._looked = False

    def at_backward(self, _loss: Any, _series: int) -> None:
        names = self._agent.names
        if self._looked or names is None:
            return
        self._looked = True
        classes = {type(module) for root in names.roots() for _, module in walk(root)}
        found = [(cls, call) for cls in classes for call in calls_in(cls)][:MOST_CALLS]
        for cls, (text, place) in found:
            self._agent.emit(FunctionalDropout(time.time(), cls.__name__, text, place))


def calls_in(cls: type) -> Iterator[tuple[str, events.Where]]:
    """(call, place) of functional dropout without `training` in a user's class's forward."""
    forward = getattr(cls, "forward", None)
    code = getattr(forward, "__code__", None)
    if not isinstance(code, CodeType) or not NAMES & set(code.co_names) or not callsite.is_user_code(code):
        return
    for call in _calls(code):
        if _is_functional(call, getattr(forward, "__globals__", {})) and not _says_training(call):
            text = ast.unparse(call) if hasattr(ast, "unparse") else "dropout(…)"
            yield text, callsite.place(code, call.lineno)


def _calls(code: CodeType) -> Iterator[ast.Call]:
    try:
        with open(code.co_filename, encoding="utf-8") as file:
            source = file.read(MOST_SOURCE)
        tree = ast.parse(source)
    except (OSError, SyntaxError, ValueError):
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef) and node.name == code.co_name:
            first = min([node.lineno, *(d.lineno for d in node.decorator_list)])
            if first == code.co_firstlineno:
                yield from _unguarded(node)


def _unguarded(function: ast.FunctionDef) -> Iterator[ast.Call]:
    """Calls that are not below an `if` that speaks of training."""
    stack: list[ast.AST] = [function]
    while stack:
        node = stack.pop()
        if isinstance(node, (ast.If, ast.IfExp)) and "training" in ast.dump(node.test):
            continue
        if isinstance(node, ast.Call):
            yield node
        stack.extend(ast.iter_child_nodes(node))


def _is_functional(call: ast.Call, names: dict[str, Any]) -> bool:
    function = call.func
    if isinstance(function, ast.Attribute):
        owner = function.value
        if isinstance(owner, ast.Attribute):  # torch.nn.functional.dropout, nn.functional.dropout
            return function.attr in NAMES and owner.attr == "functional"
        held = names.get(owner.id) if isinstance(owner, ast.Name) else None
        return function.attr in NAMES and getattr(held, "__name__", "") == "torch.nn.functional"
    held = names.get(function.id) if isinstance(function, ast.Name) else None
    return getattr(held, "__name__", "") in NAMES and getattr(held, "__module__", "") == "torch.nn.functional"


def _says_training(call: ast.Call) -> bool:
    return len(call.args) >= 3 or any(keyword.arg in ("training", None) for keyword in call.keywords)


def install(agent: Agent, _loop: Loop) -> None:
    agent.guard(NAME, agent.sampled_before_backward, DropoutProbe(agent).at_backward)
