"""Steps that do not happen, happen on nothing, or forget everything they learnt."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

from dlmon.checks.facts import Lacking, backward_site, call_site, leader, listed, parameters_of
from dlmon.checks.finding import ERROR, HINT, WARNING, Finding
from dlmon.checks.registry import TREND, check
from dlmon.state.snapshot import RankFacts, RunSnapshot
from dlmon_probes import events
from dlmon_probes.events_loop import IdleOptimizer, LoopTotals

LEAF_SAMPLES = 2  # all that a smoke stage has; the graph and the missing gradients already say the same
SAMPLES = 3  # faults of order need no threshold: a third sample rules out chance
BACKWARDS = 10  # without a single step, in a run that is over …
BACKWARDS_RUNNING = 99  # … and in one that goes on: above the largest usual accumulation (64)
TWICE = 2  # steps without a backward, of those at least …
AGAIN = 0.25  # … this share: a loop does it each time, or every few steps
STEPS_OF_OTHERS = 20  # while one of several optimizers does not step
RECREATED = 5  # optimizers from one line, one step each
RESULT_OPS = frozenset(
    {"MulBackward0", "DivBackward0", "SumBackward0", "MeanBackward0", "AddBackward0", "AliasBackward0"}
)


@check(
    "loop.loss_is_leaf",
    needs="an autograd graph and 2 sampled steps of an optimizer",
    explains=("grads.none", "loop.params_not_in_optimizer", "graph.detached", "crash.autograd", *TREND),
)
def loss_is_leaf(snapshot: RunSnapshot) -> Iterator[Finding]:
    facts = leader(snapshot)
    if not facts.graphs:
        raise Lacking("no autograd graph was read yet")
    held = [clearing for order in facts.orders for clearing in order.clearing if clearing.held]
    if len(held) < LEAF_SAMPLES:
        raise Lacking(f"fewer than {LEAF_SAMPLES} sampled steps")
    if any(clearing.with_gradient for clearing in held):
        return  # the optimizer's parameters do get gradients: what goes backward is somebody's own business
    for series in sorted({graph.series for graph in facts.graphs}):
        graphs = [graph for graph in facts.graphs if graph.series == series]
        if all(_is_leaf(graph) for graph in graphs):
            yield Finding(
                id="loop.loss_is_leaf",
                severity=ERROR,
                title=(
                    f"the loss has no history: a new tensor was made of its value, so that none of the "
                    f"{held[-1].held} trained parameters got a gradient at {len(held)} of {len(held)} sampled steps"
                ),
                advice="Call backward() on what the loss function returned, not on torch.tensor(loss).",
                step=graphs[0].step,
                rank=facts.rank,
                where=backward_site(facts, series),
                evidence={"subject": str(series), "samples": len(held), "held": held[-1].held},
            )


def _is_leaf(graph: events.Graph) -> bool:
    """No history at all, or that of a few results of one loose tensor (a sum of re-wrapped losses)."""
    if not graph.has_graph:
        return True
    ops = {op for op in graph.ops if op != "AccumulateGrad"}
    return not graph.reached and graph.loose == 1 and ops <= RESULT_OPS


@check(
    "loop.no_step",
    needs="backwards with an optimizer that was made: 10 in a finished run, 99 in a running one",
    explains=("loop.params_not_in_optimizer", *TREND, "loop.no_zero_grad"),
)
def no_step(snapshot: RunSnapshot) -> Iterator[Finding]:
    facts = leader(snapshot)
    totals: Sequence[LoopTotals] = facts.further.get("loop_totals", ())
    if not totals:
        if facts.optimizers:
            return
        raise Lacking("no optimizer was seen yet")
    last = totals[-1]
    if last.moved or not last.idle:
        return
    if not facts.optimizers:
        backwards = max(last.waiting, snapshot.step)
        if backwards >= (BACKWARDS if snapshot.over else BACKWARDS_RUNNING):
            yield _never_stepped(facts, last.idle[0], f"{backwards} backwards and not one step", backwards)
    elif snapshot.over and snapshot.step >= STEPS_OF_OTHERS:
        for idle in last.idle:
            if _should_step(facts, idle):
                yield _never_stepped(facts, idle, f"no step in {snapshot.step} of the other's", snapshot.step)


def _should_step(facts: RankFacts, idle: IdleOptimizer) -> bool:
    """The loss reaches what it alone holds, and the loop clears it at the steps of others."""
    reached = {p for graph in facts.graphs for p in graph.reached}
    held_elsewhere = {p for optimizer in facts.optimizers for group in optimizer.groups for p in group.parameters}
    mine = set(idle.p)
    others = {optimizer.index for optimizer in facts.optimizers}
    cleared = [
        call
        for order in facts.orders
        for call in order.calls
        if call.op == "zero_grad" and call.of not in {None, *others}
    ]
    return bool(mine & reached) and not mine & held_elsewhere and len(cleared) >= SAMPLES


def _never_stepped(facts: RankFacts, idle: IdleOptimizer, told: str, count: int) -> Finding:
    target = idle.where.text.partition("=")[0].strip() if idle.where and "=" in idle.where.text else "optimizer"
    named = parameters_of(facts)
    return Finding(
        id="loop.no_step",
        severity=ERROR,
        title=f"{target} ({idle.cls}, {len(idle.p)} parameters) never steps: {told}; its weights stay as made",
        advice=f"Call {target}.step() after backward().",
        step=0,
        rank=facts.rank,
        where=backward_site(facts) or idle.where,
        evidence={
            "subject": target,
            "count": count,
            "parameters": [named[p].name for p in idle.p[:20] if p in named],
            "made": None if idle.where is None else f"{idle.where.file}:{idle.where.line}",
        },
    )


@check(
    "loop.step_without_backward",
    needs="3 sampled steps of an optimizer",
    explains=("grads.none", *TREND),
)
def step_without_backward(snapshot: RunSnapshot) -> Iterator[Finding]:
    facts = leader(snapshot)
    for index in sorted({optimizer.index for optimizer in facts.optimizers}):
        orders = [order for order in facts.orders if any(c.op == "step" and c.of == index for c in order.calls)]
        if len(orders) < SAMPLES or any(c.op == "backward" for order in orders for c in order.calls):
            continue
        if any(order.calls and order.calls[0].op == "step" for order in orders) and facts.series:
            continue  # a closure: its backward runs inside the step
        norms = [s.total for s in facts.gradients if s.optimizer == index]
        if len(norms) < SAMPLES or (facts.series and any(norms)):
            continue
        nothing = not any(norms)
        stale = not nothing and len(set(norms)) == 1
        if nothing or stale:
            what = "there is no gradient" if nothing else f"the gradient is the same at each (norm {norms[0]:.3g})"
            yield Finding(
                id="loop.step_without_backward",
                severity=ERROR,
                title=f"the optimizer steps without a backward: at {len(orders)} of {len(orders)} sampled steps {what}",
                advice="Call loss.backward() before optimizer.step().",
                step=orders[0].step,
                rank=facts.rank,
                where=call_site(orders[-1], "step", index),
                evidence={"subject": str(index), "samples": len(orders), "norms": norms[:8]},
            )
    yield from _stepped_again(facts)


def _stepped_again(facts: RankFacts) -> Iterator[Finding]:
    """A step that follows another one of the same optimizer, with no backward between them, on the same gradient."""
    counts = [count for count in facts.rows.get("micro", ()) if count is not None]
    without = sum(count == 0 for count in counts)
    if without < TWICE or without < AGAIN * len(counts) or without == len(counts):
        return
    for index in sorted({optimizer.index for optimizer in facts.optimizers}):
        totals = {sample.step: sample.total for sample in facts.gradients if sample.optimizer == index}
        idle = [order for order in facts.orders if order.calls and {call.op for call in order.calls} == {"step"}]
        idle = [order for order in idle if any(call.of == index for call in order.calls)]
        pairs = [(totals[o.step - 1], totals[o.step]) for o in idle if {o.step - 1, o.step} <= totals.keys()]
        if pairs and all(before and before == after for before, after in pairs):
            yield Finding(
                id="loop.step_without_backward",
                severity=WARNING,
                title=(
                    f"{without} of the last {len(counts)} steps follow no backward: the optimizer goes once more along "
                    f"the gradient of the step before (norm {pairs[0][1]:.3g})"
                ),
                advice="Call optimizer.step() once for each backward; look for a second call in the loop.",
                step=idle[0].step,
                rank=facts.rank,
                where=call_site(idle[0], "step", index),
                evidence={"subject": str(index), "steps_without": without, "of": len(counts), "norm": pairs[0][1]},
            )


@check("loop.optimizer_recreated", needs="optimizers that stepped, 5 of one line")
def optimizer_recreated(snapshot: RunSnapshot) -> Iterator[Finding]:
    facts = leader(snapshot)
    if not facts.optimizers:
        raise Lacking("no optimizer has stepped yet")
    by_line: dict[tuple[str, int], list[events.Optimizer]] = {}
    for optimizer in facts.optimizers:
        if optimizer.where is not None:
            by_line.setdefault((optimizer.where.file, optimizer.where.line), []).append(optimizer)
    for made in by_line.values():
        if len(made) < RECREATED or not _one_step_each(made) or not _same_parameters(made):
            continue
        last = made[-1]
        state = _state_lost(last)
        yield Finding(
            id="loop.optimizer_recreated",
            severity=WARNING if state else HINT,
            title=(
                f"a new {last.cls} is made for every step: {len(made)} in the first "
                f"{made[-1].step - made[0].step + 1} steps"
                + (f", so that {state} start from zero each time" if state else "")
            ),
            advice="Make the optimizer once, before the loop.",
            step=made[0].step,
            rank=facts.rank,
            where=last.where,
            evidence={"subject": last.cls, "made": len(made), "first_steps": [o.step for o in made[:8]]},
        )


def _one_step_each(made: Sequence[events.Optimizer]) -> bool:
    """Each of the last ones took its first step right after the one before it."""
    steps = [optimizer.step for optimizer in made[-RECREATED:]]
    return all(after - before == 1 for before, after in pairwise(steps))


def _same_parameters(made: Sequence[events.Optimizer]) -> bool:
    """They hold the same weights: an inner loop of meta-learning makes copies."""
    held = [{p for group in optimizer.groups for p in group.parameters} for optimizer in made[-RECREATED:]]
    return bool(held[0]) and all(one == held[0] for one in held)


def _state_lost(optimizer: events.Optimizer) -> str:
    if optimizer.cls == "SGD":
        options = optimizer.groups[0].options if optimizer.groups else {}
        return "momenta" if options.get("momentum") else ""
    known = {"Adam": "its running averages", "AdamW": "its running averages", "RMSprop": "its running averages"}
    return known.get(optimizer.cls, f"what {listed([optimizer.cls])} remembers of earlier steps")
