"""Several backwards for one step: whether their gradients are averaged, and whether they arrive at all."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence

from dlmon.checks.facts import Lacking, backward_site, call_site, leader, optimizer_of, through
from dlmon.checks.finding import ERROR, HINT, WARNING, Finding
from dlmon.checks.loop_order import Account, accounts
from dlmon.checks.registry import check
from dlmon.state.snapshot import RankFacts, RunSnapshot
from dlmon_probes import events

SAMPLES = 3
ROWS = 3  # complete steps of equal count
SAME = 1e-3  # relative: nothing divided the gradient on its way to the step
NORMALISED = ("Adam", "RMSprop", "Adagrad", "Adadelta", "Rprop", "Lion", "Adafactor")  # indifferent to a factor
MEAN = 1  # torch's number for reduction="mean"
LOSSES = ("NllLoss", "MseLoss", "BinaryCrossEntropy", "SmoothL1Loss", "HuberLoss", "KlDiv", "SoftMargin", "MultiMargin")
PLAIN = frozenset({"ViewBackward0", "SqueezeBackward0", "ToCopyBackward0", "AliasBackward0"})


@check(
    "loop.accumulation_cleared",
    needs="gradients at each backward of 3 sampled steps",
    explains=("loop.accumulation_unscaled",),
)
def accumulation_cleared(snapshot: RunSnapshot) -> Iterator[Finding]:
    facts = leader(snapshot)
    found = accounts(facts)
    if len(found) > 1 or len(facts.optimizers) > 1:
        return  # in a GAN the other loss leaves gradients that are thrown away on purpose
    for optimizer, rows in found.items():
        late = [row for row in rows if _same_series(row[0]) and row[1].backwards >= 2]
        if optimizer < 0 or len(late) < SAMPLES or len(late) < len(rows) - 1:
            continue
        if all(_cleared_between(clearing) for _, clearing in late[-SAMPLES:]):
            yield _cleared(facts, optimizer, late)


def _same_series(order: events.Order) -> bool:
    series = [call.of for call in order.calls if call.op == "backward"]
    return len(series) >= 2 and len(set(series)) == 1


def _cleared_between(clearing: events.Clearing) -> bool:
    return bool(clearing.at_step) and not any(clearing.before[1:])


def _cleared(facts: RankFacts, optimizer: int, rows: Sequence[Account]) -> Finding:
    order, clearing = rows[-1]
    k = sum(call.op == "backward" for call in order.calls)
    return Finding(
        id="loop.accumulation_cleared",
        severity=ERROR,
        title=(
            f"gradients of {k - 1} of {k} backwards are thrown away: they are cleared before each backward, "
            f"while a step comes after every {k}; only 1/{k} of the data is learnt from"
        ),
        advice="Clear the gradients once per step: call zero_grad() right after step(), inside the same condition.",
        step=rows[0][0].step,
        rank=facts.rank,
        where=call_site(order, "zero_grad") or backward_site(facts),
        evidence={
            "subject": str(optimizer),
            "backwards": k,
            "norms_at_backward": clearing.before,
            "samples": len(rows),
        },
    )


@check("loop.accumulation_unscaled", needs="3 steps of several backwards, and the loss's graph")
def accumulation_unscaled(snapshot: RunSnapshot) -> Iterator[Finding]:
    facts = leader(snapshot)
    if not facts.graphs:
        raise Lacking("no autograd graph was read yet")
    micro = [int(n) for n in facts.rows.get("micro", ()) if n and math.isfinite(n)]
    k, count = Counter(micro).most_common(1)[0] if micro else (1, 0)
    if k < 2 or count < ROWS or len(facts.optimizers) != 1 or not _batches_add_up(facts, k):
        return
    orders = [order for order in facts.orders if _same_series(order)]
    series = {call.of for order in orders for call in order.calls if call.op == "backward"}
    if len(orders) < SAMPLES or len(series) != 1:
        return
    graphs = [graph for graph in facts.graphs if graph.series in series]
    scaler = any(call.op == "scale" for order in orders for call in order.calls)
    if graphs and all(_undivided_mean(graph, scaler) for graph in graphs) and not _divided_later(facts):
        yield _unscaled(facts, k, orders[-1], graphs[0])


def _batches_add_up(facts: RankFacts, k: int) -> bool:
    """A batch of a loader for each backward. Several losses of one batch, or of one episode, are summed on purpose."""
    sizes = [loader.batch_size for loader in facts.loaders.values() if loader.batch_size]
    rows = Counter(int(n) for n in facts.rows.get("samples", ()) if n)
    return bool(sizes and rows) and any(rows.most_common(1)[0][0] == k * size for size in sizes)


def _undivided_mean(graph: events.Graph, scaler: bool) -> bool:
    """The root of the graph is the mean loss itself (below the scaler's factor)."""
    if not graph.nodes:
        return False
    node: events.GraphNode | None = graph.nodes[0]
    if scaler and node is not None and node.op == "MulBackward0":
        node = through(graph, node, PLAIN)
    if node is None or not node.op.startswith(LOSSES):
        return False
    return bool(graph.losses) and graph.losses[0].reduction == MEAN


def _divided_later(facts: RankFacts) -> bool:
    """Something was done to the gradients between the last backward and the step: divided, clipped, unscaled."""
    rows = [c for order in facts.orders for c in order.clearing if c.after and c.at_step]
    if any(abs(c.at_step - c.after) > SAME * c.after for c in rows if c.at_step and c.after):
        return True
    return any(call.op == "clip" for order in facts.orders for call in order.calls)


def _unscaled(facts: RankFacts, k: int, order: events.Order, graph: events.Graph) -> Finding:
    index = facts.optimizers[0].index
    known = optimizer_of(facts, index)
    adaptive = known is not None and any(word in known.cls for word in NORMALISED)
    return Finding(
        id="loop.accumulation_unscaled",
        severity=HINT if adaptive else WARNING,
        title=(
            f"{k} batches are summed into one step without dividing: the gradient is {k} times that of their mean"
            + (
                f" ({known.cls} hardly minds)"
                if adaptive and known
                else f", as if the learning rate were {k} times higher"
            )
        ),
        advice=f"Use (loss / {k}).backward(), or divide the learning rate by {k}.",
        step=order.step,
        rank=facts.rank,
        where=backward_site(facts, graph.series),
        evidence={"subject": str(index), "backwards_per_step": k, "loss": graph.nodes[0].op},
    )
