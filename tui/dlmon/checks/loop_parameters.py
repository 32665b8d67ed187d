"""Parameters that are held and never move, or moved twice while others are not held at all."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations

from dlmon.checks.facts import Lacking, backward_site, leader, listed, parameters_of
from dlmon.checks.finding import ERROR, HINT, WARNING, Finding
from dlmon.checks.registry import check
from dlmon.checks.samples import History, by_optimizer, histories, modules_of
from dlmon.state.snapshot import RankFacts, RunSnapshot
from dlmon_probes import events
from dlmon_probes.events_loop import FrozenWeights

SAMPLES = 5  # "never" means at 5 sampled steps
STEPS = 20  # a warm-up from 0 is over, or at least under way
LARGE_SHARE = 0.5  # of the held elements: something is wired to the wrong place
TOGETHER = 2  # sampled steps of both of two optimizers
# torch's default for Linear and Conv: uniform within ±1/√fan_in, so that its rms is 1/√(3·fan_in).
FRESH_RMS = (0.93, 1.07)
FRESH_MAX = (0.85, 1.001)
FRESH_NUMEL = 64


@check(
    "loop.wrong_params",
    needs="two optimizers that stepped, the model's parameters and an autograd graph",
    explains=("loop.params_not_in_optimizer", "grads.none", "loop.zero_grad_after_backward", "loop.no_zero_grad"),
)
def wrong_params(snapshot: RunSnapshot) -> Iterator[Finding]:
    facts = leader(snapshot)
    if not facts.graphs or not facts.models:
        raise Lacking("no model or autograd graph was seen yet")
    named = parameters_of(facts)
    held = {o.index: {p for group in o.groups for p in group.parameters} for o in facts.optimizers}
    known = {p for ps in held.values() for p in ps}
    reached = {p for graph in facts.graphs for p in graph.reached if p in named and named[p].requires_grad}
    left = [named[p] for p in sorted(reached - known)]
    loose = max((graph.loose for graph in facts.graphs), default=0)  # tensors of a model that nobody holds
    if not left and not loose:
        return
    none = f"{len(left) or loose} that the loss reaches are in none"
    none += f": {listed([p.name for p in left], 2)}" if left else ""
    for one, other in combinations(facts.optimizers, 2):
        twice = held[one.index] & held[other.index]
        if twice and one.where != other.where and held[one.index] == held[other.index] and _together(facts, one, other):
            yield Finding(
                id="loop.wrong_params",
                severity=ERROR,
                title=(
                    f"{len(twice)} weights are held twice ({listed([named[p].name for p in sorted(twice)], 1)}), "
                    f"while {none}"
                ),
                advice="Give each optimizer its own network's parameters(): one of them got the other's.",
                step=max(one.step, other.step),
                rank=facts.rank,
                where=other.where or one.where,
                evidence={
                    "subject": f"{one.index}, {other.index}",
                    "in_two": [named[p].name for p in sorted(twice)][:20],
                    "in_none": [p.name for p in left][:20],
                },
            )


def _together(facts: RankFacts, one: events.Optimizer, other: events.Optimizer) -> bool:
    """They take turns: one after the other would be two phases of a training."""
    since = max(one.step, other.step)
    steps = {
        o.index: {sample.step for sample in facts.gradients if sample.optimizer == o.index and sample.step >= since}
        for o in (one, other)
    }
    return min(len(found) for found in steps.values()) >= TOGETHER


@check("loop.params_unused", needs="the calls of one forward, and sampled gradients, 5 samples")
def params_unused(snapshot: RunSnapshot) -> Iterator[Finding]:
    facts = leader(snapshot)
    idle = never_called(facts)
    if idle is None:
        raise Lacking("no complete forward was seen yet")
    for optimizer, rows in by_optimizer(histories(facts)).items():
        unused = [row for row in rows if unreached(facts, row) and row.module in idle and len(row.norm) >= SAMPLES]
        if not unused or len(unused) == len(rows):
            continue
        share = sum(row.parameter.numel for row in unused) / max(1, sum(row.parameter.numel for row in rows))
        yield Finding(
            id="loop.params_unused",
            severity=WARNING if share >= LARGE_SHARE else HINT,
            title=(
                f"{len(unused)} of {len(rows)} trained parameters ({share:.0%} of their elements) are never used: "
                f"{listed(modules_of(unused))} did not run and got no gradient at {len(unused[0].norm)} sampled steps"
            ),
            advice="Call these modules in forward(), or leave them out of the model.",
            step=unused[0].steps[0],
            rank=facts.rank,
            where=_definition(facts, unused[0]) or backward_site(facts),
            evidence={"subject": str(optimizer), "parameters": [row.name for row in unused[:20]], "share": share},
        )


def unreached(facts: RankFacts, row: History) -> bool:
    """No gradient at any looked-at sample, and no graph that was read leads to it."""
    return all(norm is None for norm in row.norm) and not any(
        row.parameter.p in graph.reached for graph in facts.graphs
    )


def never_called(facts: RankFacts) -> set[str] | None:
    """Modules with parameters that ran in none of the forwards looked at; None where none was seen completely.

    A module counts only if others of its model ran by the names that its parameters have: weights can be used without
    their module's being called, and then nothing around them is a module call, either.
    """
    looks = [a for a in (facts.first_activations, facts.last_activations) if a is not None and not a.truncated]
    called = {row.module for look in looks for row in look.modules}
    if not looks or not called:
        return None
    idle: set[str] = set()
    for model in facts.models:
        owners = {p.name.rpartition(".")[0] for p in model.parameters}
        ran = owners & called
        if len(ran) * 2 >= len(owners) or len(ran) >= 2:
            idle |= {owner for owner in owners - called if not _wrapped(owner, called)}
    return idle


def _wrapped(owner: str, called: set[str]) -> bool:
    """The module around it is no plain container: it may use the weights itself (attention, recurrent cells)."""
    around = owner.rpartition(".")[0]
    return bool(around) and around in called and not any(other.startswith(f"{around}.") for other in called)


def _definition(facts: RankFacts, row: History) -> events.Where | None:
    """Where the class of the model that has it is defined."""
    for model in facts.models:
        if any(p.p == row.parameter.p for p in model.parameters) and model.file and model.line:
            return events.Where(model.file, model.line)
    return None


@check("loop.params_frozen_unintended", needs="updates of 5 sampled steps, 20 steps")
def params_frozen_unintended(snapshot: RunSnapshot) -> Iterator[Finding]:
    facts = leader(snapshot)
    found = by_optimizer(histories(facts))
    if snapshot.step < STEPS:
        raise Lacking(f"fewer than {STEPS} steps yet")
    for optimizer, rows in found.items():
        still = [row for row in rows if _stands_still(row)]
        if still and any(_moves(row) for row in rows):
            rates = {row.parameter.p: _rate(facts, row) for row in still}
            zero = all(rate == 0 for rate in rates.values())
            yield Finding(
                id="loop.params_frozen_unintended",
                severity=HINT if zero and _from_the_start(facts, still) else WARNING,
                title=(
                    f"{len(still)} of {len(rows)} parameters get gradients and do not move at {len(still[0].norm)} of "
                    f"{len(still[0].norm)} sampled steps: {listed(modules_of(still))}"
                    + (" (their group's learning rate is 0)" if zero else "")
                ),
                advice=(
                    "Give their parameter group a learning rate, or set requires_grad_(False) if they are to stay."
                    if zero
                    else "Look for code that puts these weights back, or an update too small for their number format."
                ),
                step=still[0].steps[0],
                rank=facts.rank,
                where=next((o.where for o in facts.optimizers if o.index == optimizer), None),
                evidence={
                    "subject": str(optimizer),
                    "parameters": [row.name for row in still[:20]],
                    "gradient_norm": still[0].norm[-1],
                    "lr": rates[still[0].parameter.p],
                },
            )


def _stands_still(row: History) -> bool:
    """A gradient at each of the last samples, and not one bit of the weights changed by the step."""
    last = list(zip(row.norm, row.update, row.nonfinite, row.weight, strict=True))[-SAMPLES:]
    if len(last) < SAMPLES or row.steps[-1] < STEPS or row.parameter.dtype not in ("float32", "float64"):
        return False
    return all(norm and update == 0 and not bad and norm > 1e-6 * (weight or 0) for norm, update, bad, weight in last)


def _moves(row: History) -> bool:
    return any(update for update in row.update[-SAMPLES:])


def _rate(facts: RankFacts, row: History) -> float | None:
    for optimizer in facts.optimizers:
        for group in optimizer.groups:
            if optimizer.index == row.optimizer and row.parameter.p in group.parameters:
                lr = group.options.get("lr")
                return float(lr) if isinstance(lr, (int, float)) else None
    return None


def _from_the_start(facts: RankFacts, rows: Sequence[History]) -> bool:
    """A rate of 0 that was written down: with a scheduler it may be a group's warm-up, which gradual unfreezing has."""
    return bool(facts.further.get("schedule")) and bool(rows)


@check("loop.head_frozen", needs="weights that require no gradient, and the loss's prediction")
def head_frozen(snapshot: RunSnapshot) -> Iterator[Finding]:
    facts = leader(snapshot)
    told: Sequence[FrozenWeights] = facts.further.get("frozen_weights", ())
    if not told or not facts.graphs:
        raise Lacking("no frozen weights or no autograd graph was seen")
    named = parameters_of(facts)
    fresh = {p: _looks_fresh(named[p], rms, most) for p, rms, most in _columns(told[-1]) if p in named}
    widths = {
        loss.prediction.shape[-1]
        for g in facts.graphs
        for loss in g.losses
        if loss.prediction and loss.prediction.shape
    }
    widths |= {loss.classes for graph in facts.graphs for loss in graph.losses if loss.classes}
    reached = {p for graph in facts.graphs for p in graph.reached}
    for model in facts.models:
        matrices = [p for p in model.parameters if len(p.shape) >= 2]
        if len(matrices) < 2:
            continue
        head, body = matrices[-1], matrices[:-1]
        if not fresh.get(head.p) or head.requires_grad or head.shape[0] not in widths:
            continue
        if any(fresh.get(p.p) for p in body) or not any(p.requires_grad and p.p in reached for p in body):
            continue  # a body that is as new stands for a pretrained one in a sketch; or nothing else trains
        yield Finding(
            id="loop.head_frozen",
            severity=WARNING,
            title=(
                f"the last layer {head.name} does not train (requires_grad is off) though its weights look newly made, "
                f"while {sum(p.requires_grad for p in body)} of {len(body)} layers below it do"
            ),
            advice="Freeze first and make the new layer then, or set requires_grad_(True) on it.",
            step=0,
            rank=facts.rank,
            where=events.Where(model.file, model.line) if model.file and model.line else backward_site(facts),
            evidence={"subject": head.name, "shape": list(head.shape), "outputs": head.shape[0]},
        )


def _columns(told: FrozenWeights) -> Iterator[tuple[int, float | None, float | None]]:
    return iter(zip(told.p, told.rms, told.max_abs, strict=False))


def _looks_fresh(parameter: events.Parameter, rms: float | None, most: float | None) -> bool:
    """As torch makes the weights of a Linear or Conv: uniform within a bound that its width gives."""
    if rms is None or most is None or parameter.numel < FRESH_NUMEL:
        return False
    root = (parameter.numel / parameter.shape[0]) ** 0.5
    return bool(FRESH_RMS[0] <= rms * root * 3**0.5 <= FRESH_RMS[1] and FRESH_MAX[0] <= most * root <= FRESH_MAX[1])
