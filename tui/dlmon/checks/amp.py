"""Clipping and loss scaling in the wrong place, and float16 gradients that are lost for want of a scale."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from statistics import median

from dlmon.checks.facts import Lacking, backward_site, call_site, finite, leader, listed
from dlmon.checks.finding import ERROR, WARNING, Finding
from dlmon.checks.registry import check
from dlmon.checks.samples import History, by_optimizer, histories, modules_of
from dlmon.state.snapshot import RankFacts, RunSnapshot
from dlmon_probes import events
from dlmon_probes.events import Call

SAMPLES = 3
UNDERFLOW_ZEROS = 0.2  # share of gradient elements that are exactly 0 …
SMALLEST = 5.96e-8  # the smallest number float16 has: 2^-24
NEAR = 64  # … in gradients whose typical element is within this factor of it: zeros of ReLUs sit beside large ones
UNDERFLOW_SAMPLES = 5


def _stepping(facts: RankFacts) -> list[events.Order]:
    """Sampled steps that had a backward and then a step, in this order (a closure's backward runs inside the step)."""
    found = []
    for order in facts.orders:
        ops = [call.op for call in order.calls]
        if "backward" in ops and "step" in ops and ops.index("backward") < ops.index("step"):
            found.append(order)
    if not found:
        raise Lacking("no step with a backward was sampled yet")
    return found


@check("loop.clip_misplaced", needs="3 sampled steps in which gradients were clipped")
def clip_misplaced(snapshot: RunSnapshot) -> Iterator[Finding]:
    facts = leader(snapshot)
    orders = [order for order in _stepping(facts) if order.step > 0]
    clipping = [order for order in orders if any(call.op == "clip" for call in order.calls)]
    if len(clipping) < SAMPLES:
        return
    if any(_clips_in_time(order.calls) for order in facts.orders):
        return
    order = clipping[-1]
    clip, back = call_site(order, "clip"), call_site(order, "backward")
    before = bool(clip and back and clip.file == back.file and clip.line < back.line)
    yield Finding(
        id="loop.clip_misplaced",
        severity=WARNING,
        title=(
            f"gradients are clipped {'before backward' if before else 'after the step'}, where that changes nothing: "
            f"at {len(clipping)} of {len(clipping)} sampled steps no call lies between backward and step"
        ),
        advice="Clip after backward() and before step().",
        step=clipping[0].step,
        rank=facts.rank,
        where=clip,
        evidence={"samples": len(clipping), "order": [call.op for call in order.calls][:16]},
    )


def _clips_in_time(calls: Sequence[Call]) -> bool:
    """A clip right behind a backward. Whether a step follows is not asked: with a closure, as Lightning's, all of this
    happens inside of the step, which is then noted before it."""
    for i, call in enumerate(calls):
        if call.op != "clip":
            continue
        back = [c.op for c in reversed(calls[:i]) if c.op in ("backward", "step")]
        if back[:1] == ["backward"]:
            return True
    return False


@check("loop.amp_unscaled", needs="3 sampled steps in which a gradient scaler was used", explains=("loop.lr_extreme",))
def amp_unscaled(snapshot: RunSnapshot) -> Iterator[Finding]:
    facts = leader(snapshot)
    orders = _stepping(facts)
    scaled = [order for order in orders if any(call.op in ("scale", "unscale") for call in order.calls)]
    if len(scaled) < SAMPLES:
        return
    ways = [_misuse([call.op for call in order.calls]) for order in scaled]
    for way, (title, advice, op) in WAYS.items():
        if all(found == way for found in ways):
            yield Finding(
                id="loop.amp_unscaled",
                severity=ERROR if way != "clip" else WARNING,
                title=f"{title}, at {len(scaled)} of {len(scaled)} sampled steps",
                advice=advice,
                step=scaled[0].step,
                rank=facts.rank,
                where=call_site(scaled[-1], op) or backward_site(facts),
                evidence={"subject": way, "samples": len(scaled), "order": [c.op for c in scaled[-1].calls][:16]},
            )


WAYS = {
    "clip": (
        "gradients are clipped while they still carry the GradScaler's scale, so that nearly nothing is left of them",
        "Call scaler.unscale_(optimizer) after backward() and before clipping.",
        "clip",
    ),
    "direct": (
        "the loss is scaled, but the optimizer steps on gradients that still carry the scale (65536 at first)",
        "Call scaler.step(optimizer) instead of optimizer.step(), and scaler.update() after it.",
        "step",
    ),
    "unscaled loss": (
        "gradients are divided by the GradScaler's scale, though the loss was never multiplied by it",
        "Call scaler.scale(loss).backward() instead of loss.backward().",
        "backward",
    ),
}


def _misuse(ops: Sequence[str]) -> str:
    """What is wrong with one step's calls; "" for nothing."""
    step = len(ops) - 1 - list(reversed(ops)).index("step")
    last = max(i for i, op in enumerate(ops[:step]) if op == "backward")
    between = ops[last + 1 : step]
    if "scale" not in ops:  # with several optimizers a cycle begins at a backward, and the scaling is at its end
        return "unscaled loss" if "unscale" in between else ""
    if "unscale" not in ops and "scaled_step" not in ops:
        return "direct"
    if "clip" in between and "unscale" not in between[: between.index("clip")]:
        return "clip"
    return ""


@check("amp.underflow", needs="sampled gradients of float16 layers, 5 samples")
def underflow(snapshot: RunSnapshot) -> Iterator[Finding]:
    facts = leader(snapshot)
    found = by_optimizer(histories(facts))
    if any(call.op in ("scale", "unscale") for order in facts.orders for call in order.calls):
        return
    half = _half_modules(facts)
    zeros = _zeros(facts)
    for optimizer, rows in found.items():
        layers = [
            row
            for row in rows
            if row.matrix
            and len(row.norm) >= UNDERFLOW_SAMPLES
            and (row.parameter.dtype == "float16" or row.module in half)
        ]
        lost = [row for row in layers if _underflows(row, zeros.get(row.parameter.p, []))]
        if lost and 2 * len(lost) >= len(layers):
            worst = max(lost, key=lambda row: median(zeros[row.parameter.p]))
            share = median(zeros[worst.parameter.p])
            yield Finding(
                id="amp.underflow",
                severity=WARNING,
                title=(
                    f"float16 gradients underflow: {share:.0%} of {worst.name}'s are exactly 0, the others lie near "
                    f"the smallest number float16 has ({SMALLEST:.0e}); {len(lost)} of {len(layers)} layers: "
                    f"{listed(modules_of(lost))}"
                ),
                advice="Use a GradScaler (scaler.scale(loss).backward()), or bfloat16, which needs none.",
                step=worst.steps[0],
                rank=facts.rank,
                where=backward_site(facts),
                evidence={
                    "subject": str(optimizer),
                    "zeros": {row.name: median(zeros[row.parameter.p]) for row in lost[:20]},
                    "layers": len(layers),
                },
            )


def _half_modules(facts: RankFacts) -> set[str]:
    """Modules whose output is float16: autocast keeps the weights themselves in float32."""
    seen = [a for a in (facts.first_activations, facts.last_activations) if a is not None]
    return {row.module for a in seen for row in a.modules if row.output is not None and row.output.dtype == "float16"}


def _zeros(facts: RankFacts) -> dict[int, list[float]]:
    found: dict[int, list[float]] = {}
    for sample in facts.gradients:
        for p, share in zip(sample.p, sample.zeros, strict=False):
            if share is not None:
                found.setdefault(p, []).append(share)
    return found


def _underflows(row: History, zeros: Sequence[float]) -> bool:
    norms = [norm for norm in finite(row.norm) if norm > 0]
    if len(zeros) < UNDERFLOW_SAMPLES or median(zeros) <= UNDERFLOW_ZEROS or not norms:
        return False
    nonzero = max(1.0, (1.0 - median(zeros)) * row.parameter.numel)
    return bool(median(norms) / nonzero**0.5 < NEAR * SMALLEST)
