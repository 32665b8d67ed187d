"""Training loops in which one of the four parts is missing: forward, backward, step, zero_grad."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from dlmon.checks.finding import ERROR, WARNING
from dlmon.review.events import BACKWARD, CALL, OPAQUE, READ, STEP, TOUCH, ZERO, Event, inside
from dlmon.review.kinds import Unknown
from dlmon.review.loops import TrainingLoop, made_within, receiver, step_loops, training_loops
from dlmon.review.roles import is_optimizer_name
from dlmon.review.rule import Place, Reading, at, rule
from dlmon.review.source import Source

# These step, clear and call backward inside calls of their own.
FRAMEWORKS = (
    "pytorch_lightning", "lightning", "transformers", "accelerate", "deepspeed", "ignite", "fastai", "mmengine",
    "composer",
)  # fmt: skip


@rule("no_zero_grad", ERROR)
def no_zero_grad(reading: Reading) -> Iterator[Place]:
    """A training loop that calls backward and step and never clears the gradients."""
    if _cleared_elsewhere(reading):
        return
    for loop in training_loops(reading):
        if loop.opaque or loop.of(ZERO):
            continue
        for step in _first_of_each(loop.of(STEP)):
            on = receiver(step.node)
            if on is None or not reading.roles.plain_optimizer(on, step.source):
                continue
            if made_within(step.on, loop.node):
                continue
            outside = [e for e in loop.around if e.kind == ZERO and e.loops and e.loops[-1] is not loop.node]
            when = "only outside this loop" if outside else "nowhere"
            known = all(not isinstance(v, Unknown) for v in reading.resolver.values(on, step.source))
            name = step.on or "optimizer"
            yield Place(
                step.node, step.source,
                f"gradients are cleared {when}: each backward adds to those of all steps before",
                f"Call `{name.rpartition(':')[2]}.zero_grad()` once per step, before `backward()` or after `step()`.",
                ERROR if known else WARNING, _backward_evidence(loop),
            )  # fmt: skip


def _first_of_each(steps: list[Event]) -> Iterator[Event]:
    seen: set[int] = set()
    for step in steps:
        if id(step.node) not in seen:
            seen.add(id(step.node))
            yield step


def _backward_evidence(loop: TrainingLoop) -> dict[str, object]:
    first = loop.of(BACKWARD)[0]
    return {"backward": at(first.node, first.source)}


def _cleared_elsewhere(reading: Reading) -> bool:
    """Whether gradients may be cleared where no call can be followed to: in hooks and callbacks."""
    project = reading.project
    if project.mentions("register_post_accumulate_grad_hook", "register_step_post_hook", "register_step_pre_hook"):
        return True
    for source in project.sources:
        for node in source.reads.get("zero_grad", ()):
            parent = source.parents.get(node)
            if not isinstance(parent, ast.Expr) and not (isinstance(parent, ast.Call) and parent.func is node):
                return True
        for call in source.calls.get("zero_grad", ()):
            scope = source.scope(call)
            if scope.outer is not None and not reading.resolver.callers(scope) and not _has_loop(scope.node):
                return True
    return False


def _has_loop(node: ast.AST) -> bool:
    return any(isinstance(part, (ast.For, ast.While)) for part in ast.walk(node))


@rule("no_backward", ERROR)
def no_backward(reading: Reading) -> Iterator[Place]:
    """A loop that computes a loss and steps the optimizer without a backward between."""
    if reading.project.imports(*FRAMEWORKS):
        return
    for loop in step_loops(reading):
        step = loop.step
        on = receiver(step.node)
        if loop.opaque or loop.of(READ) or on is None or not reading.roles.plain_optimizer(on, step.source):
            continue
        losses = [e for e in loop.of(CALL) if reading.roles.loss(e.node, e.source)]  # type: ignore[arg-type]
        if losses and not isinstance(receiver(step.node), ast.Subscript):
            loss = at(losses[0].node, losses[0].source, step.source)
            yield Place(
                step.node, step.source,
                "the optimizer steps, but no backward() fills the gradients of the loss "
                f"at {loss}",
                "Call `loss.backward()` before the step.", evidence={"loss": loss},
            )  # fmt: skip


@rule("no_step", ERROR)
def no_step(reading: Reading) -> Iterator[Place]:
    """Backward is called in a loop and an optimizer is made, but it never steps."""
    project = reading.project
    if project.imports(*FRAMEWORKS) or not (optimizers := list(made_optimizers(reading))):
        return
    if any("step" in name.lower() for source in project.sources for name in _all_called(source)):
        if any(not _only_schedules(reading, source, call) for source, call in project.calls("step")):
            return
        if any("step" in name.lower() and name != "step" for source in project.sources for name in _all_called(source)):
            return
    for function in project.functions:
        events = reading.traces.of(function)
        for event in events:
            if event.kind == BACKWARD and event.loops and event.trail is None:
                around = inside(events, event.loops[0])
                if any(e.kind in (READ, TOUCH, OPAQUE) for e in around):
                    return
                source, call = optimizers[0]
                yield Place(
                    event.node, event.source,
                    "backward() computes gradients, but the optimizer never steps: no "
                    "weight changes",
                    "Call `optimizer.step()` after `backward()`.",
                    evidence={"optimizer": at(call, source)},
                )  # fmt: skip
                return


def _all_called(source: Source) -> list[str]:
    return [*source.calls, *source.reads]


def _only_schedules(reading: Reading, source: Source, call: ast.Call) -> bool:
    return isinstance(call.func, ast.Attribute) and reading.roles.scheduler(call.func.value, source)


def made_optimizers(reading: Reading) -> Iterator[tuple[Source, ast.Call]]:
    """Every call that makes an optimizer of torch.optim, or of another library by its name."""
    for source in reading.project.sources:
        for name, calls in source.calls.items():
            if not name[:1].isupper():
                continue
            for call in calls:
                library = reading.resolver.library(call.func, source)
                if library and is_optimizer_name(library):
                    yield source, call


_METHODS = frozenset({"backward", "step", "zero_grad"})


@rule("not_called", ERROR)
def not_called(reading: Reading) -> Iterator[Place]:
    """`optimizer.step` without its parentheses: a statement that does nothing."""
    for source in reading.project.sources:
        for name in _METHODS:
            for node in source.reads.get(name, ()):
                if isinstance(source.parents.get(node), ast.Expr):
                    yield Place(
                        node, source, f"`.{name}` is named but not called: this line does nothing",
                        f"Write `.{name}()`.",
                    )  # fmt: skip
