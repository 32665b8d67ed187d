"""What a training loop does, in order: forward, backward, step, zero_grad, clip, scheduler, train and eval mode.

Calls of the project's own functions are followed, so that a step that hides in a helper is seen where it happens.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from dlmon.review.calls import passed
from dlmon.review.kinds import Klass, Object, Routine
from dlmon.review.roles import Roles
from dlmon.review.source import FUNCTIONS, LOOPS, Function, Source, dotted
from dlmon.review.values import Resolver

MOST_DEPTH = 5
MOST_EVENTS = 4_000
CALLS_FROM = 2  # plain calls are kept from this many functions deep; the rest only swells the traces of big projects

BACKWARD, STEP, ZERO, CLIP, UNSCALE, UPDATE = "backward", "step", "zero", "clip", "unscale", "update"
SCHEDULE, TRAIN, EVAL, CALL, OPAQUE = "schedule", "train", "eval", "call", "opaque"
READ = "grad read"  # gradients are looked at, or computed by torch.autograd.grad
TOUCH = "grad touch"  # gradients are changed by hand

Frame = tuple[ast.AST, str]


@dataclass(frozen=True)
class Event:
    """kind: what happens. on: the expression it happens to, in the names of the scope that is traced ("optimizer"),
    "" where that is no plain name. path: the loops and branches around it, outermost first. scaled: a backward of a
    loss that a GradScaler scaled, a step through a GradScaler. trail: the call in the traced scope that leads there,
    the node itself where nothing was followed."""

    kind: str
    node: ast.AST
    source: Source
    on: str = ""
    path: tuple[Frame, ...] = ()
    scaled: bool = False
    trail: ast.AST | None = None
    depth: int = 0  # functions that were followed to get there

    @property
    def loops(self) -> tuple[ast.AST, ...]:
        return tuple(node for node, kind in self.path if kind == "loop")


class Traces:
    """The events of each scope; traced once."""

    def __init__(self, resolver: Resolver, roles: Roles) -> None:
        self._resolver = resolver
        self._roles = roles
        self._known: dict[Function, tuple[Event, ...]] = {}
        self._going: set[Function] = set()

    def of(self, function: Function) -> tuple[Event, ...]:
        """What happens in a scope, in the order of the text."""
        if function in self._known:
            return self._known[function]
        if function in self._going or len(self._going) > MOST_DEPTH:
            return ()
        self._going.add(function)
        try:
            found: list[Event] = []
            if isinstance(function.node, ast.Lambda):
                found.extend(self._expression(function.node.body, function, ()))
            for event in self._block(function.body, function, ()):
                found.append(event)
                if len(found) >= MOST_EVENTS:
                    break
        finally:
            self._going.discard(function)
        if len(self._going) <= MOST_DEPTH:
            self._known[function] = tuple(found)
        return tuple(found)

    def _block(self, body: Iterable[ast.stmt], function: Function, path: tuple[Frame, ...]) -> Iterator[Event]:
        for node in body:
            yield from self._statement(node, function, path)

    def _statement(self, node: ast.stmt, function: Function, path: tuple[Frame, ...]) -> Iterator[Event]:
        if isinstance(node, (*FUNCTIONS, ast.ClassDef)):
            return
        if isinstance(node, ast.If):
            yield from self._if(node, function, path)
        elif isinstance(node, LOOPS):
            inner = (*path, (node, "loop"))
            if isinstance(node, ast.While):
                yield from self._expression(node.test, function, inner)
            else:
                yield from self._expression(node.iter, function, path)
            yield from self._block(node.body, function, inner)
            yield from self._block(node.orelse, function, path)
        elif isinstance(node, (ast.With, ast.AsyncWith)):
            for item in node.items:
                yield from self._expression(item.context_expr, function, path)
            yield from self._block(node.body, function, path)
        elif isinstance(node, ast.Match):
            for case in node.cases:
                yield from self._block(case.body, function, (*path, (case, "arm")))
        elif hasattr(node, "handlers"):
            yield from self._block([*node.body, *node.orelse], function, path)  # type: ignore[attr-defined]
            for handler in node.handlers:
                yield from self._block(handler.body, function, (*path, (handler, "arm")))
            yield from self._block(node.finalbody, function, path)  # type: ignore[attr-defined]
        else:
            for child in ast.iter_child_nodes(node):
                if isinstance(child, ast.expr):
                    yield from self._expression(child, function, path)
            yield from self._stores(node, function.source, path)

    def _if(self, node: ast.If, function: Function, path: tuple[Frame, ...]) -> Iterator[Event]:
        rest: list[ast.stmt] = [node]
        while len(rest) == 1 and isinstance(rest[0], ast.If):
            arm = rest[0]
            yield from self._expression(arm.test, function, path)
            yield from self._block(arm.body, function, (*path, (arm, "then")))
            path = (*path, (arm, "else")) if arm.orelse and len(path) < 40 else path
            rest = arm.orelse
        yield from self._block(rest, function, path)

    def _stores(self, node: ast.stmt, source: Source, path: tuple[Frame, ...]) -> Iterator[Event]:
        """`p.grad = None` clears, any other `p.grad = …` and `p.grad *= …` handles gradients by hand."""
        if isinstance(node, ast.Assign):
            targets, cleared = node.targets, isinstance(node.value, ast.Constant) and node.value.value is None
        elif isinstance(node, ast.AugAssign):
            targets, cleared = [node.target], False
        elif isinstance(node, ast.Delete):
            targets, cleared = node.targets, True
        else:
            return
        for target in targets:
            if isinstance(target, ast.Attribute) and target.attr == "grad":
                yield Event(ZERO if cleared else TOUCH, node, source, dotted(target.value), path)

    # ---- expressions

    def _expression(self, node: ast.expr, function: Function, path: tuple[Frame, ...]) -> Iterator[Event]:
        source = function.source
        calls: list[ast.Call] = []
        for part in _shallow(node):
            if isinstance(part, ast.Attribute) and part.attr == "grad" and isinstance(part.ctx, ast.Load):
                yield Event(TOUCH if _changed(part, source) else READ, part, source, dotted(part.value), path)
            elif isinstance(part, ast.Call):
                calls.append(part)
        # What ends first is called first: arguments before the call, links of a chain from left to right.
        for call in sorted(calls, key=lambda c: (c.end_lineno or 0, c.end_col_offset or 0)):
            yield from self._call(call, function, path)

    def _call(self, call: ast.Call, function: Function, path: tuple[Frame, ...]) -> Iterator[Event]:
        source = function.source
        event = self._roles.event(call, source)
        if event is not None:
            kind, on, scaled = event
            if kind == STEP:
                yield from self._closure(call, function, path)
            yield Event(kind, call, source, on, path, scaled)
            if kind != STEP:
                return
        yield from self._followed(call, function, path, event is not None)

    def _closure(self, call: ast.Call, function: Function, path: tuple[Frame, ...]) -> Iterator[Event]:
        """What `optimizer.step(closure)` runs."""
        for argument in [*call.args, *(item.value for item in call.keywords)]:
            for value in self._resolver.values(argument, function.source):
                if isinstance(value, Routine):
                    yield from self._inline(value.function, call, function.source, path, False)

    def _followed(self, call: ast.Call, function: Function, path: tuple[Frame, ...], known: bool) -> Iterator[Event]:
        source = function.source
        understood = known
        for value in self._resolver.values(call.func, source):
            if isinstance(value, Routine):
                understood = True
                yield from self._inline(value.function, call, source, path, value.me is not None)
            elif isinstance(value, Object):
                understood = True
                target = self._resolver.member(value, "forward")
                for inner in target:
                    if isinstance(inner, Routine):
                        yield from self._inline(inner.function, call, source, path, True)
            elif isinstance(value, Klass):
                understood = True
        if known:
            return
        name = dotted(call.func)
        yield Event(CALL, call, source, name, path)
        if not understood and not self._roles.harmless(call, source):
            yield Event(OPAQUE, call, source, name, path)

    def _inline(
        self, callee: Function, call: ast.Call, source: Source, path: tuple[Frame, ...], bound: bool
    ) -> Iterator[Event]:
        names = self._renamed(callee, call, bound)
        opaque = False
        for event in self.of(callee):
            if (event.kind == CALL and event.depth >= CALLS_FROM) or (event.kind == OPAQUE and opaque):
                continue
            opaque = opaque or (event.kind == OPAQUE and not event.loops)
            first, dot, rest = event.on.partition(".")
            on = event.on
            if first in names:
                on = names[first] + dot + rest if names[first] else ""
            elif callee.source is not source or callee.owner is not None:
                on = f"{callee.source.name}:{event.on}" if event.on and ":" not in event.on else event.on
            yield replace(event, on=on, path=(*path, *event.path), trail=call, depth=event.depth + 1)

    def _renamed(self, callee: Function, call: ast.Call, bound: bool) -> dict[str, str]:
        """Parameters of a function by what a call gives to them."""
        names: dict[str, str] = {}
        for index, parameter in enumerate(callee.parameters):
            if index == 0 and bound:
                names[parameter.arg] = dotted(call.func.value) if isinstance(call.func, ast.Attribute) else ""
                continue
            value = passed(callee, parameter.arg, call, bound)
            names[parameter.arg] = dotted(value) if value is not None else ""
        return names


def _changed(gradient: ast.Attribute, source: Source) -> bool:
    """Whether `p.grad` is changed in place or handed to a function: `p.grad.mul_(2)`, "
    "`torch._foreach_zero_(p.grad)`."""
    parent = source.parents.get(gradient)
    if isinstance(parent, ast.Attribute) and parent.attr == "data":
        parent = source.parents.get(parent)
    if isinstance(parent, ast.Attribute):
        return parent.attr.endswith("_")
    return isinstance(parent, (ast.Call, ast.Subscript, ast.ListComp, ast.GeneratorExp, ast.Assign))


def _shallow(node: ast.expr) -> Iterator[ast.AST]:
    """An expression's nodes without the bodies of its lambdas."""
    waiting: list[ast.AST] = [node]
    while waiting:
        part = waiting.pop()
        yield part
        if not isinstance(part, ast.Lambda):
            waiting.extend(ast.iter_child_nodes(part))


def before(first: Event, second: Event) -> bool:
    """Whether the first has happened whenever the second does: it stands on every way there."""
    return second.path[: len(first.path)] == first.path


def inside(events: Sequence[Event], loop: ast.AST) -> list[Event]:
    return [event for event in events if any(node is loop for node, _ in event.path)]


def innermost(event: Event) -> ast.AST | None:
    """The nearest loop around an event."""
    return next((node for node, kind in reversed(event.path) if kind == "loop"), None)
