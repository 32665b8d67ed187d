"""Learning-rate schedulers: called too early, too often or too rarely for what they were set to."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from itertools import pairwise

from dlmon.checks.facts import Lacking, leader
from dlmon.checks.finding import WARNING, Finding
from dlmon.checks.registry import check
from dlmon.state.snapshot import OVER, RankFacts, RunSnapshot
from dlmon_probes import events
from dlmon_probes.events import Where
from dlmon_probes.events_loop import Schedule

SAMPLES = 3
CALLS = 2  # of step() from one line, the first in front of everything
PER_STEP = 0.8  # calls per step from which a scheduler is stepped per batch
COLLAPSED = 1e-3  # × its start: where a per-epoch schedule brings a rate after its whole training, not in one epoch
GOES_ON = 1.2  # epochs: a training that ends with its first epoch may well end with its rate
CYCLES = 2.0  # times T_max: down and up again within one epoch
RARE = 5.0  # steps per call and more: stepped per epoch
COVERED = 0.95  # the steps of a finished run against the length the schedule was made for
DECAYING = ("StepLR", "MultiStepLR", "ExponentialLR")
METRIC_CALLS = 3
UP = ("acc", "f1", "auc", "iou", "dice", "bleu", "recall", "precision", "r2", "psnr", "ssim")
DOWN = ("loss", "err", "mse", "mae", "rmse", "perplexity", "ppl", "nll")


def _schedules(facts: RankFacts) -> dict[int, Schedule]:
    """By number, as last told."""
    found = {event.schedule: event for event in facts.further.get("schedule", ())}
    if not found:
        raise Lacking("no learning-rate scheduler was seen yet")
    return found


@check("loop.scheduler_order", needs="a scheduler's first two calls, or 3 sampled steps with one")
def scheduler_order(snapshot: RunSnapshot) -> Iterator[Finding]:
    facts = leader(snapshot)
    for schedule in _schedules(facts).values():
        if schedule.explicit or schedule.metrics:
            continue  # the rate follows from the epoch that was given, or from a metric
        index = schedule.optimizer
        between = [order for order in facts.orders if _before_its_step(order.calls, index)]
        sampled = [order for order in facts.orders if any(_schedules_it(call, index) for call in order.calls)]
        if len(between) >= SAMPLES and len(between) >= len(sampled) - 1:
            yield _order(
                facts, schedule, f"between backward and step, at {len(between)} of {len(sampled)} sampled steps"
            )
        elif _first_of_all(schedule):
            steps = ", ".join(str(at) for at in schedule.at[:4])
            yield _order(facts, schedule, f"before the first optimizer step (calls came at steps {steps})")


def _schedules_it(call: events.Call, index: int | None) -> bool:
    return call.op == "schedule" and (call.of == index or call.of is None)


def _before_its_step(calls: Sequence[events.Call], index: int | None) -> bool:
    """A backward, then the scheduler, then the step of its optimizer, which had not stepped before."""
    ready = waiting = False
    for call in calls:
        if call.op == "backward":
            ready, waiting = True, False
        elif _schedules_it(call, index) and ready:
            waiting = True
        elif call.op == "step" and call.of == index:
            return waiting
    return False


def _first_of_all(schedule: Schedule) -> bool:
    """Its line stands at the top of the loop: called before any backward, then again and again, later each time.

    Several calls at step 0 bring a resumed schedule forward.
    """
    at = schedule.at
    if len(at) < CALLS + 1 or at[0] != 0 or schedule.backwards_before or not schedule.same_line:
        return False
    gaps = [after - before for before, after in pairwise(at)]
    return min(gaps) > 0 and max(gaps) - min(gaps) <= 1


def _order(facts: RankFacts, schedule: Schedule, told: str) -> Finding:
    return Finding(
        id="loop.scheduler_order",
        severity=WARNING,
        title=f"{schedule.cls} steps before the optimizer: {told}; the first learning rate is never used",
        advice="Call scheduler.step() after optimizer.step().",
        step=0,
        rank=facts.rank,
        where=schedule.where or schedule.made,
        evidence={
            "subject": str(schedule.schedule),
            "scheduler": schedule.cls,
            "steps_at_calls": schedule.at[:8],
            "first_lr": schedule.first_lr,
        },
    )


@check("loop.scheduler_period", needs="a scheduler's calls and settings, and a finished epoch or run")
def scheduler_period(snapshot: RunSnapshot) -> Iterator[Finding]:
    facts = leader(snapshot)
    if facts.stage:
        raise Lacking("a stage of a rehearsal holds the rate or ends early")
    for schedule in _schedules(facts).values():
        told = _too_often(facts, schedule) or _too_rarely(snapshot, schedule) or _wrong_direction(schedule)
        if told:
            yield Finding(
                id="loop.scheduler_period",
                severity=WARNING,
                title=told[0],
                advice=told[1],
                step=schedule.step,
                rank=facts.rank,
                where=schedule.where or schedule.made,
                evidence={
                    "subject": str(schedule.schedule),
                    "scheduler": schedule.cls,
                    "calls": schedule.calls,
                    "steps": schedule.last_at,
                    "options": schedule.options,
                    "lr": schedule.lr,
                    "first_lr": schedule.first_lr,
                },
            )


def _batches_per_epoch(facts: RankFacts) -> int | None:
    lengths = [loader.length for loader in facts.loaders.values() if loader.length]
    return max(lengths, default=None)


def _too_often(facts: RankFacts, schedule: Schedule) -> tuple[str, str] | None:
    """Settings counted in epochs, steps counted in batches."""
    epoch = _batches_per_epoch(facts)
    steps = max(schedule.last_at, 1)
    if epoch is None or schedule.calls < PER_STEP * steps or schedule.calls < 8:
        return None
    advice = "Call scheduler.step() once per epoch, or count its settings in batches."
    if schedule.cls in DECAYING:
        return _gone_after(schedule, epoch, advice)
    period = schedule.options.get("T_max")
    if schedule.cls != "CosineAnnealingLR" or not isinstance(period, (int, float)) or period <= 0:
        return None
    if schedule.calls < CYCLES * period or CYCLES * period > epoch:
        return None
    return (
        f"CosineAnnealingLR (T_max={period:g}) steps with every batch: the rate goes down and up again "
        f"{epoch / (2 * period):.2g} times per epoch of {epoch} batches",
        advice,
    )


def _gone_after(schedule: Schedule, epoch: int, advice: str) -> tuple[str, str] | None:
    """A decay that has used up the rate within one epoch, in a training that goes on."""
    gamma, size = schedule.options.get("gamma"), schedule.options.get("step_size")
    if not isinstance(gamma, float) or not 0 < gamma < 1 or schedule.calls < GOES_ON * epoch:
        return None
    falls = float(epoch)
    if schedule.cls == "StepLR" and isinstance(size, int) and size > 0:
        falls = epoch // size
    elif schedule.cls == "MultiStepLR":
        falls = sum(milestone <= epoch for milestone in schedule.options.get("milestones", ()))
    left = gamma**falls
    if left > 1.01 * COLLAPSED or not schedule.first_lr or schedule.lr is None:
        return None
    if schedule.lr > 2 * left * schedule.first_lr:
        return None  # something else sets the rate, too
    fall = f"the rate fell from {schedule.first_lr:.3g} to {left * schedule.first_lr:.3g}"
    return f"{schedule.cls} steps with every batch: {fall} within one epoch of {epoch} batches", advice


def _too_rarely(snapshot: RunSnapshot, schedule: Schedule) -> tuple[str, str] | None:
    """Settings counted in batches, steps counted in epochs: only a run that went to its end tells."""
    if snapshot.state not in OVER or snapshot.exit_code or snapshot.signal or schedule.explicit:
        return None
    length = schedule.options.get("total_steps", schedule.options.get("T_max"))
    steps = snapshot.step
    if not isinstance(length, (int, float)) or schedule.calls < 1 or steps < RARE * schedule.calls:
        return None
    if not COVERED * length <= steps <= length / COVERED or length < RARE * schedule.calls:
        return None
    return (
        f"{schedule.cls} was made for {length:g} steps and was stepped {schedule.calls} times in {steps}: "
        f"the rate went only from {schedule.first_lr or 0:.3g} to {schedule.lr or 0:.3g}",
        "Call scheduler.step() after every optimizer step, or count its length in epochs.",
    )


def _wrong_direction(schedule: Schedule) -> tuple[str, str] | None:
    """ReduceLROnPlateau that waits for an accuracy to fall, or for a loss to rise."""
    mode, values = schedule.options.get("mode"), [v for v in schedule.metrics if v is not None]
    if mode not in ("min", "max") or len(values) < METRIC_CALLS or min(values) < 0:
        return None
    name = _metric_name(schedule.where)
    words = UP if mode == "min" else DOWN
    opposite = DOWN if mode == "min" else UP
    if not any(word in name for word in words) or any(word in name for word in opposite):
        return None
    return (
        f"ReduceLROnPlateau (mode={mode!r}) watches {name}, which gets better as it "
        f"{'rises' if mode == 'min' else 'falls'}: it lowers the rate while training goes well",
        f"Make it with mode={'max' if mode == 'min' else 'min'!r}.",
    )


def _metric_name(where: Where | None) -> str:
    """The variable that step() was given, lower case; "" for an expression (1 - accuracy)."""
    try:
        tree = ast.parse(where.text if where else "")
    except SyntaxError:
        return ""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "step" and (node.args or node.keywords):
            given = node.args[0] if node.args else node.keywords[0].value
            while isinstance(given, ast.Call) and not given.args and isinstance(given.func, ast.Attribute):
                given = given.func.value  # loss.item()
            if isinstance(given, ast.Subscript) and isinstance(given.slice, ast.Constant):
                return str(given.slice.value).lower()
            return str(getattr(given, "id", getattr(given, "attr", ""))).lower()
    return ""
