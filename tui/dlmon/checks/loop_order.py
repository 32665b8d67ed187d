"""The order of zero_grad, backward and step, read off what happened to the gradients themselves."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from dlmon.checks.facts import Lacking, backward_site, call_site, leader, optimizer_of
from dlmon.checks.finding import ERROR, Finding
from dlmon.checks.registry import check
from dlmon.state.snapshot import RankFacts, RunSnapshot
from dlmon_probes import events
from dlmon_probes.events import Where

BY_HAND = -1  # no optimizer: the script updates the weights itself
SAMPLES = 3  # consecutive samples for faults of order: decided without thresholds, a third rules out chance
CARRIED = 2  # of three consecutive steps the last two can carry something over
SAMPLES_BY_HAND = 6  # without an optimizer every backward counts as a step, so accumulation looks like carrying
GROWTH_BY_HAND = 3.0  # and only gradients that keep growing tell the two apart
SAME = 1e-3  # relative: two readings of one gradient in float32, summed in different order

Account = tuple[events.Order, events.Clearing]


def accounts(facts: RankFacts) -> dict[int, list[Account]]:
    """By optimizer, the sampled steps in which it stepped after a backward."""
    found: dict[int, list[Account]] = {}
    for order in facts.orders:
        for clearing in order.clearing:
            if clearing.backwards and clearing.before:
                found.setdefault(clearing.optimizer, []).append((order, clearing))
    if not found:
        raise Lacking("no step with a backward was sampled yet")
    return found


@check(
    "loop.no_zero_grad", needs="gradients at the start of each backward, 3 sampled steps", explains=("grads.exploding",)
)
def no_zero_grad(snapshot: RunSnapshot) -> Iterator[Finding]:
    facts = leader(snapshot)
    for optimizer, rows in accounts(facts).items():
        later = [(before, row) for before, row in zip([None, *rows], rows, strict=False) if row[0].step > 0]
        if later and all(_carried(row, before) for before, row in later):
            carried = [row for _, row in later]
            if _enough(optimizer, carried):
                yield _no_zero_grad(facts, optimizer, carried)


def _carried(row: Account, before: Account | None) -> bool:
    """The gradient of the step before was still there, untouched, at every backward, and more was added to it."""
    order, clearing = row
    first = clearing.before[0]
    if not first or any(not norm for norm in clearing.before):
        return False
    left = [clearing.previous]
    if before is not None and before[0].step == order.step - 1:
        left.append(before[1].after)  # another loss's backward may have added to it after this optimizer's step
    if clearing.previous is not None and not any(_same(first, norm) for norm in left):
        return False  # scaled down on purpose, or partly cleared
    # As the last backward left it where that is known: clipping brings every gradient to the same norm.
    now = clearing.after if clearing.after is not None else clearing.at_step
    return clearing.at_step is not None and now is not None and abs(now - first) > 1e-6 * abs(first)


def _same(one: float, other: float | None) -> bool:
    return other is not None and abs(one - other) <= SAME * abs(other)


def _enough(optimizer: int, rows: Sequence[Account]) -> bool:
    if optimizer != BY_HAND:
        return sum(clearing.previous is not None for _, clearing in rows) >= CARRIED
    first, last = rows[0][1].at_step or 0.0, rows[-1][1].at_step or 0.0
    return len(rows) >= SAMPLES_BY_HAND and last > GROWTH_BY_HAND * first > 0


def _no_zero_grad(facts: RankFacts, optimizer: int, rows: Sequence[Account]) -> Finding:
    order, clearing = rows[-1]
    return Finding(
        id="loop.no_zero_grad",
        severity=ERROR,
        title=(
            f"gradients are never cleared: at {len(rows)} of {len(rows)} sampled steps the last step's gradient "
            f"(norm {clearing.before[0]:.3g}) was still there when the next backward began"
        ),
        advice=f"Call {_name(facts, optimizer)}.zero_grad() once per step, before backward().",
        step=rows[0][0].step,
        rank=facts.rank,
        where=_backward_of(order, optimizer) or backward_site(facts),
        evidence={
            "subject": str(optimizer),
            "samples": len(rows),
            "steps": [order.step for order, _ in rows[-8:]],
            "norm_before_backward": clearing.before[0],
            "norm_at_step": clearing.at_step,
        },
    )


@check(
    "loop.zero_grad_after_backward",
    needs="gradients after backward and at the step, 3 sampled steps",
    explains=("grads.none", "grads.zero"),
)
def zero_grad_after_backward(snapshot: RunSnapshot) -> Iterator[Finding]:
    facts = leader(snapshot)
    for optimizer, rows in accounts(facts).items():
        if optimizer == BY_HAND or len(rows) < SAMPLES:
            continue
        if all(clearing.after and not clearing.at_step for _, clearing in rows[-SAMPLES:]):
            yield _cleared_too_early(facts, optimizer, rows)


def _cleared_too_early(facts: RankFacts, optimizer: int, rows: Sequence[Account]) -> Finding:
    order, clearing = rows[-1]
    lost = sum(bool(c.after and not c.at_step) for _, c in rows)
    first = next(o.step for o, c in rows if c.after and not c.at_step)
    return Finding(
        id="loop.zero_grad_after_backward",
        severity=ERROR,
        title=(
            f"gradients are cleared between backward and step: norm {clearing.after:.3g} after backward, "
            f"none at the step, at {lost} of {len(rows)} sampled steps"
        ),
        advice=f"Move zero_grad() in front of backward(), or behind {_name(facts, optimizer)}.step().",
        step=first,
        rank=facts.rank,
        where=_clearing_site(order, optimizer) or call_site(order, "step") or backward_site(facts),
        evidence={
            "subject": str(optimizer),
            "samples": len(rows),
            "lost": lost,
            "norm_after_backward": clearing.after,
            "norm_at_step": clearing.at_step,
        },
    )


def _clearing_site(order: events.Order, optimizer: int) -> Where | None:
    """The zero_grad call behind the last backward in front of this optimizer's step."""
    site = None
    for call in order.calls:
        if call.op == "backward":
            site = None
        elif call.op == "zero_grad" and call.of in (None, optimizer):
            site = call.where
        elif call.op == "step" and call.of == optimizer:
            break
    return site


def _backward_of(order: events.Order, optimizer: int) -> Where | None:
    """The backward right in front of this optimizer's step: of several losses, the one it steps for."""
    site = None
    for call in order.calls:
        if call.op == "backward":
            site = call.where
        elif call.op == "step" and call.of == optimizer and site is not None:
            return site
    return call_site(order, "backward")


def _name(facts: RankFacts, optimizer: int) -> str:
    """What the source calls the optimizer, where its line says so."""
    known = optimizer_of(facts, optimizer)
    text = known.where.text if known and known.where else ""
    target = text.partition("=")[0].strip()
    return target if target.replace(".", "").replace("_", "").isalnum() and "=" in text else "optimizer"
