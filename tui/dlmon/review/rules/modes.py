"""Models left in evaluation mode while they train on."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence

from dlmon.checks.finding import HINT, WARNING
from dlmon.review.events import BACKWARD, CALL, EVAL, OPAQUE, TRAIN, Event, inside
from dlmon.review.kinds import Unknown
from dlmon.review.layers import depends_on_mode
from dlmon.review.rule import Place, Reading, at, rule
from dlmon.review.source import Function


@rule("train_mode_not_restored", WARNING)
def train_mode_not_restored(reading: Reading) -> Iterator[Place]:
    """model.eval() inside the loop over epochs, and no model.train() before the next epoch trains."""
    if not reading.project.mentions("eval", "train"):
        return
    for function in reading.project.functions:
        events = reading.traces.of(function)
        for event in events:
            if event.kind != EVAL or not event.loops or not event.on or _leaves(event):
                continue
            loop = event.loops[0]
            around = inside(events, loop)
            if _owned(loop, function) and _left_on(event, around):
                yield from _place(event, around, reading)


def _owned(loop: ast.AST, function: Function) -> bool:
    return loop in function.source.parents and function.source.scope(loop) is function


def _left_on(event: Event, around: Sequence[Event]) -> bool:
    if any(other.kind == TRAIN and _may_mean(other.on, event.on) for other in around):
        return False
    # A part that is switched off while it trains is meant to be: `model.backbone.eval()`, "frozen batch norm".
    evaluates = _evaluates(event, around)
    trains = [
        other for other in around if other.kind == BACKWARD and (other.trail is None or other.trail is not event.trail)
    ]
    used = any(
        other.kind == CALL and other.on == event.on and any(_share(other, backward) for backward in trains)
        for other in around
    )
    if any(other.kind == OPAQUE and "train" in other.on.lower() for other in around):
        return False
    return evaluates and used


def _evaluates(event: Event, around: Sequence[Event]) -> bool:
    """Whether the switch belongs to an evaluation: it stands behind a backward, or in a function that has none."""
    if event.trail is not None:
        return not any(other.kind == BACKWARD and other.trail is event.trail for other in around)
    index = next(i for i, other in enumerate(around) if other is event)
    return any(other.kind == BACKWARD for other in around[:index])


def _share(one: Event, other: Event) -> bool:
    """Whether both stand in the same innermost loop."""
    return bool(one.loops and other.loops and one.loops[-1] is other.loops[-1])


def _may_mean(one: str, other: str) -> bool:
    return not one or ":" in one or one.split(".")[0] == other.split(".")[0]


def _leaves(event: Event) -> bool:
    """Whether the loop is left right after: `if done: model.eval(); break`."""
    for node, kind in reversed(event.path):
        if kind == "loop":
            return False
        body = getattr(node, "body", [])
        if body and isinstance(body[-1], (ast.Break, ast.Return, ast.Raise)):
            return True
    return False


def _place(event: Event, around: Sequence[Event], reading: Reading) -> Iterator[Place]:
    on = (
        event.node.func.value
        if isinstance(event.node, ast.Call) and isinstance(event.node.func, ast.Attribute)
        else None
    )
    if on is None:
        return
    values = reading.resolver.values(on, event.source)
    layer = next((found for value in values if (found := depends_on_mode(reading, value)) is not None), None)
    known = not any(isinstance(value, Unknown) for value in values)
    if layer is None and known and all(type(value).__name__ == "Object" for value in values):
        return
    first = next(other for other in around if other.kind == BACKWARD)
    names = f" ({ast.unparse(layer)[:40]})" if isinstance(layer, ast.Call) else ""
    yield Place(
        event.node, event.source,
        f"{event.on} is put into evaluation mode in the loop that trains it "
        f"({at(first.node, first.source, event.source)}) "
        f"and never back: dropout and batch norm{names} stay off from the second turn on",
        f"Call `{event.on}.train()` at the start of every epoch.", WARNING if layer is not None else HINT,
    )  # fmt: skip
