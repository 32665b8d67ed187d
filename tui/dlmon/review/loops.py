"""The training loops of a project: the loops in which an optimizer steps."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from dlmon.review.events import BACKWARD, OPAQUE, STEP, TOUCH, Event, inside
from dlmon.review.rule import Reading
from dlmon.review.source import Function, dotted


@dataclass(frozen=True)
class TrainingLoop:
    """events: of this loop, in order. around: of the whole scope it stands in. step: the first step in it."""

    function: Function
    node: ast.AST
    events: Sequence[Event]
    around: Sequence[Event]

    def of(self, *kinds: str) -> list[Event]:
        return [event for event in self.events if event.kind in kinds]

    @property
    def step(self) -> Event:
        return self.of(STEP)[0]

    @property
    def opaque(self) -> bool:
        """Whether something in it cannot be followed and may clear, fill or use gradients."""
        return bool(self.of(OPAQUE, TOUCH))


def training_loops(reading: Reading) -> Sequence[TrainingLoop]:
    """Of each optimizer step, the innermost loop that also runs a backward; each loop once."""
    return reading.once("training loops", lambda: _training_loops(reading))


def _training_loops(reading: Reading) -> Iterator[TrainingLoop]:
    if not reading.project.mentions("backward", "manual_backward"):
        return
    for function in reading.project.functions:
        events = reading.traces.of(function)
        seen: set[ast.AST] = set()
        for step in events:
            if step.kind != STEP:
                continue
            loop = next((n for n in reversed(step.loops) if any(e.kind == BACKWARD for e in inside(events, n))), None)
            if loop is None or loop in seen or not _own(loop, function):
                continue
            seen.add(loop)
            yield TrainingLoop(function, loop, inside(events, loop), events)


def step_loops(reading: Reading) -> Iterator[TrainingLoop]:
    """Of each optimizer step without a backward in any loop around it, the outermost loop."""
    if not reading.project.mentions("step"):
        return
    for function in reading.project.functions:
        events = reading.traces.of(function)
        if any(event.kind == BACKWARD for event in events):
            continue
        seen: set[ast.AST] = set()
        for step in events:
            if step.kind == STEP and step.loops and step.loops[0] not in seen and _own(step.loops[0], function):
                seen.add(step.loops[0])
                yield TrainingLoop(function, step.loops[0], inside(events, step.loops[0]), events)


def _own(loop: ast.AST, function: Function) -> bool:
    return function.source.scope(loop) is function if loop in function.source.parents else False


def made_within(name: str, loop: ast.AST) -> bool:
    """Whether a plain name is assigned in the loop: a new optimizer at each turn has nothing to clear."""
    first = name.split(".")[0]
    return any(
        isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store) and node.id == first for node in ast.walk(loop)
    )


def receiver(node: ast.AST) -> ast.expr | None:
    """`optimizer` of `optimizer.step()`, also of `scaler.step(optimizer)`."""
    if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
        return None
    return (
        node.args[0]
        if node.args and dotted(node.args[0]) and "scaler" in dotted(node.func).lower()
        else node.func.value
    )
