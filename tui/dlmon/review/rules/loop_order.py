"""The order of backward, clipping, step and zero_grad within one turn of a training loop."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence

from dlmon.checks.finding import ERROR, WARNING
from dlmon.review.events import BACKWARD, CLIP, OPAQUE, STEP, UNSCALE, UPDATE, ZERO, Event, before
from dlmon.review.loops import TrainingLoop, training_loops
from dlmon.review.rule import Place, Reading, at, rule

_GRADIENTS = (BACKWARD, CLIP, STEP, ZERO)


def _optimizers(loop: TrainingLoop) -> set[str]:
    return {event.on for event in loop.of(STEP)}


@rule("zero_grad_after_backward", ERROR)
def zero_grad_after_backward(reading: Reading) -> Iterator[Place]:
    """Gradients are cleared between backward and step, so that the optimizer sees none."""
    for loop in training_loops(reading):
        events = loop.of(BACKWARD, ZERO, STEP, OPAQUE)
        for index, zero in enumerate(events):
            if zero.kind != ZERO or "grad" in _last_call(zero):
                continue
            step = _next(events[index + 1 :], STEP, (BACKWARD, OPAQUE))
            previous = _next(list(reversed(events[:index])), BACKWARD, (STEP, ZERO, OPAQUE))
            if step is None or previous is None or not (before(zero, step) and before(previous, zero)):
                continue
            same = zero.on == step.on or (len(_optimizers(loop)) == 1 and _clears_all(zero))
            if same and zero.on and zero.loops == step.loops:
                yield Place(
                    zero.node, zero.source,
                    f"gradients are cleared after backward ({at(previous.node, previous.source, zero.source)}) and "
                    f"before step ({at(step.node, step.source, zero.source)}): no update",
                    "Move it in front of `backward()` or behind `step()`.",
                    evidence={"backward": at(previous.node, previous.source), "step": at(step.node, step.source)},
                )  # fmt: skip


def _last_call(event: Event) -> str:
    """The method a clearing is made by, where it is not zero_grad: `p.grad.zero_()` may mean one parameter of many."""
    if isinstance(event.node, ast.Call) and isinstance(event.node.func, ast.Attribute):
        return "" if event.node.func.attr == "zero_grad" else "grad"
    return "grad"


def _clears_all(zero: Event) -> bool:
    """`model.zero_grad()` with one optimizer and one model clears what it would step on."""
    return "." not in zero.on and zero.on.lower() in ("model", "net", "network")


def _next(events: Sequence[Event], wanted: str, stop: tuple[str, ...]) -> Event | None:
    """The first of a kind, unless one of the others comes before it."""
    for event in events:
        if event.kind == wanted:
            return event
        if event.kind in stop:
            return None
    return None


@rule("clip_before_backward", WARNING)
def clip_before_backward(reading: Reading) -> Iterator[Place]:
    """Gradients are clipped before backward has filled them."""
    for loop in training_loops(reading):
        if len(_optimizers(loop)) != 1 or loop.of(OPAQUE):
            continue
        events = loop.of(*_GRADIENTS)
        for index, clip in enumerate(events):
            if clip.kind != CLIP or any(e.kind == BACKWARD for e in events[:index]):
                continue
            after = [event.kind for event in events[index + 1 :]]
            if BACKWARD not in after or STEP not in after[after.index(BACKWARD) :]:
                continue
            between = after[: after.index(BACKWARD)]
            if STEP not in between and CLIP not in after:
                yield Place(
                    clip.node, clip.source,
                    "gradients are clipped before backward() has computed them: nothing "
                    "is clipped",
                    "Move the clipping between `backward()` and `step()`.",
                )  # fmt: skip


@rule("clip_after_step", WARNING)
def clip_after_step(reading: Reading) -> Iterator[Place]:
    """Gradients are clipped when the optimizer has already used them."""
    for loop in training_loops(reading):
        if len(_optimizers(loop)) != 1 or loop.of(OPAQUE):
            continue
        events = loop.of(*_GRADIENTS)
        kinds = [event.kind for event in events]
        for index, clip in enumerate(events):
            if clip.kind != CLIP or kinds.count(CLIP) != 1 or STEP not in kinds[:index]:
                continue
            behind = kinds[:index][::-1]
            ahead = [*kinds[index + 1 :], *kinds[:index]]
            used_next = next((kind for kind in ahead if kind in (ZERO, STEP)), ZERO)
            if (
                behind.index(STEP) < (behind.index(BACKWARD) if BACKWARD in behind else len(behind))
                and used_next == ZERO
            ):
                yield Place(
                    clip.node, clip.source, "gradients are clipped after step() has used them: nothing is clipped",
                    "Move the clipping between `backward()` and `step()`.",
                )  # fmt: skip


@rule("clip_without_unscale", WARNING)
def clip_without_unscale(reading: Reading) -> Iterator[Place]:
    """Gradients that a GradScaler has scaled are clipped as they are."""
    for loop in training_loops(reading):
        scaled = [e for e in loop.of(BACKWARD) if e.scaled]
        steps = [e for e in loop.of(STEP) if e.scaled]
        clips = loop.of(CLIP)
        if not scaled or not steps or not clips or loop.of(UNSCALE, OPAQUE):
            continue
        if all(backward.scaled for backward in loop.of(BACKWARD)):
            clip = clips[0]
            yield Place(
                clip.node, clip.source,
                "gradients are clipped while they are still multiplied by the loss scale "
                "(65,536 at first)",
                f"Call `scaler.unscale_({steps[0].on or 'optimizer'})` before the clipping.",
            )  # fmt: skip


@rule("scaler_not_used_for_step", ERROR)
def scaler_not_used_for_step(reading: Reading) -> Iterator[Place]:
    """The loss is scaled by a GradScaler, but the optimizer steps on the scaled gradients."""
    for loop in training_loops(reading):
        backwards = loop.of(BACKWARD)
        if not backwards or not all(e.scaled for e in backwards) or loop.of(UNSCALE, OPAQUE):
            continue
        if any(e.scaled for e in loop.of(STEP)):
            continue
        step = loop.step
        yield Place(
            step.node, step.source,
            "the loss is scaled by a GradScaler, but this step uses the scaled gradients as "
            "they are",
            f"Write `scaler.step({step.on or 'optimizer'})` and then "
            "`scaler.update()`.", evidence={"backward": at(backwards[0].node, backwards[0].source)},
        )  # fmt: skip


@rule("scaler_not_updated", WARNING)
def scaler_not_updated(reading: Reading) -> Iterator[Place]:
    """scaler.step without scaler.update: the scale never adapts, and the second step of some versions raises."""
    for loop in training_loops(reading):
        steps = [e for e in loop.of(STEP) if e.scaled]
        if steps and not loop.of(UPDATE, OPAQUE) and not reading.project.mentions("update_scale", "GradScalerKwargs"):
            if any(e.kind == UPDATE for e in loop.around):
                continue
            yield Place(
                steps[0].node, steps[0].source,
                "the GradScaler steps but is never updated: its scale cannot adapt "
                "to overflows",
                "Call `scaler.update()` after `scaler.step(…)`.",
            )  # fmt: skip
