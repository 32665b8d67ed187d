"""When a learning-rate scheduler steps, and on what."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from dlmon.checks.finding import ERROR, WARNING
from dlmon.review.events import OPAQUE, SCHEDULE, STEP, before, inside
from dlmon.review.kinds import Made
from dlmon.review.loops import training_loops
from dlmon.review.rule import Place, Reading, at, rule
from dlmon.review.source import LOOPS, Source, argument, dotted

PLATEAU = "torch.optim.lr_scheduler.ReduceLROnPlateau"
_TORCH = "torch.optim.lr_scheduler."
_BETTER_LOW = re.compile(r"loss|err|mse|mae|rmse|perplexity|ppl|nll", re.IGNORECASE)
_BETTER_HIGH = re.compile(
    r"(^|_)(acc|accuracy|f1|auc|dice|iou|miou|map|score|precision|recall|r2|bleu|psnr|ssim)(_|$|\d)", re.IGNORECASE
)


def _made(on: ast.expr, source: Source, reading: Reading) -> tuple[Made, ...]:
    return tuple(made for made in reading.resolver.made(on, source) if made.name.startswith(_TORCH))


@rule("scheduler_before_optimizer", WARNING)
def scheduler_before_optimizer(reading: Reading) -> Iterator[Place]:
    """scheduler.step() at the start of a turn: the first learning rate is skipped."""
    if not reading.project.mentions("step"):
        return
    for function in reading.project.functions:
        events = reading.traces.of(function)
        for index, event in enumerate(events):
            if event.kind != SCHEDULE or not event.loops or event.trail is not None:
                continue
            call = event.node
            if not isinstance(call, ast.Call) or call.args or call.keywords or not isinstance(call.func, ast.Attribute):
                continue
            kinds = _made(call.func.value, event.source, reading)
            if not kinds or any(made.name == PLATEAU for made in kinds):
                continue
            loop = event.loops[-1]
            around = inside(events, loop)
            earlier = [e for e in events[:index] if e.kind in (STEP, OPAQUE)]
            steps = [e for e in around if e.kind == STEP]
            later_in_turn = [e for e in steps if before(event, e) or e.loops != event.loops]
            if steps and later_in_turn and not earlier and not any(e.kind == OPAQUE for e in around):
                step = steps[0]
                yield Place(
                    call, event.source,
                    f"the scheduler steps before the optimizer ({at(step.node, step.source, event.source)}) in "
                    "every turn: "
                    "the first learning rate is never used",
                    "Call `scheduler.step()` after `optimizer.step()`.",
                )  # fmt: skip


@rule("plateau_without_metric", ERROR)
def plateau_without_metric(reading: Reading) -> Iterator[Place]:
    """ReduceLROnPlateau.step() without the value that it watches."""
    for source, call, made in _plateau_steps(reading):
        if not call.args and not call.keywords:
            yield Place(
                call, source,
                f"ReduceLROnPlateau ({at(made.call, made.source, source)}) steps without the value "
                "that it watches: it raises",
                "Give it the value: `scheduler.step(val_loss)`.",
            )  # fmt: skip


@rule("plateau_mode", WARNING)
def plateau_mode(reading: Reading) -> Iterator[Place]:
    """ReduceLROnPlateau that waits for a loss to rise, or for an accuracy to fall."""
    for source, call, made in _plateau_steps(reading):
        given = argument(call, 0, "metrics")
        name = dotted(given) if given is not None else ""
        mode = argument(made.call, 1, "mode")
        if not name or (mode is not None and not isinstance(mode, ast.Constant)):
            continue
        chosen = mode.value if isinstance(mode, ast.Constant) else "min"
        low, high = bool(_BETTER_LOW.search(name)), bool(_BETTER_HIGH.search(name.rpartition(".")[2]))
        if (chosen == "max" and low and not high) or (chosen == "min" and high and not low):
            right = "min" if low else "max"
            yield Place(
                call, source,
                f"ReduceLROnPlateau is in mode {chosen!r} ({at(made.call, made.source, source)}) and watches "
                f"{name}: it cuts the "
                "learning rate while things get better",
                f"Make it with `mode={right!r}`.",
            )  # fmt: skip


def _plateau_steps(reading: Reading) -> Iterator[tuple[Source, ast.Call, Made]]:
    for source, call in reading.project.calls("step"):
        if isinstance(call.func, ast.Attribute):
            made = reading.resolver.made(call.func.value, source)
            if made and all(one.name == PLATEAU for one in made):
                yield source, call, made[0]


@rule("scheduler_period", WARNING)
def scheduler_period(reading: Reading) -> Iterator[Place]:
    """A schedule that is as long as the number of epochs and steps with every batch."""
    for loop in training_loops(reading):
        for event in loop.of(SCHEDULE):
            call = event.node
            if event.trail is not None or not isinstance(call, ast.Call) or not isinstance(call.func, ast.Attribute):
                continue
            outer = event.source.enclosing(loop.node, *LOOPS)
            if event.loops[-1] is not loop.node or not isinstance(outer, ast.For) or not isinstance(loop.node, ast.For):
                continue
            for made in _made(call.func.value, event.source, reading):
                given = argument(made.call, 1, "T_max") if made.name == f"{_TORCH}CosineAnnealingLR" else None
                length = dotted(given) if given is not None else ""
                turns = outer.iter.args[-1] if isinstance(outer.iter, ast.Call) and outer.iter.args else None
                same = turns is not None and dotted(turns) == length and "epoch" in length.lower()
                if same and (event.path == loop.step.path or before(event, loop.step)):
                    yield Place(
                        call, event.source,
                        f"the cosine schedule is {length} steps long "
                        f"({at(made.call, made.source, event.source)}) but steps with "
                        "every batch: the learning rate swings up and down within each epoch",
                        f"Step it once per epoch, or make T_max `{length} * len(loader)`.",
                    )  # fmt: skip
