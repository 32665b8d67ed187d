"""Graphs that are cut where they should go on, and graphs that are kept when they should go."""

from __future__ import annotations

from collections.abc import Iterator

from dlmon.checks.facts import Lacking, backward_site, leader, listed
from dlmon.checks.finding import ERROR, WARNING, Finding
from dlmon.checks.registry import check
from dlmon.checks.samples import History, by_optimizer, histories
from dlmon.state.snapshot import RankFacts, RunSnapshot
from dlmon_probes.events import Where

SAMPLES = 3
SHARE = 0.1  # of an optimizer's elements in front of the cut
ALL = 0.5
LAYERS = (
    "Addmm",
    "Mm",
    "Bmm",
    "Convolution",
    "Embedding",
    "NativeBatchNorm",
    "NativeLayerNorm",
    "Lstm",
    "Slow",
    "Mkldnn",
)
KEPT = 15  # graphs of past steps that one variable holds
PACE = 0.8  # graphs kept per step
GREW = 2.5  # × the first graph's size
FIT = 0.05  # a graph that grows by the same number of nodes each step


@check(
    "graph.detached",
    needs="a graph, the first forward's modules, 3 sampled gradients",
    explains=("grads.none", "loop.params_not_in_optimizer", "crash.autograd"),
)
def detached(snapshot: RunSnapshot) -> Iterator[Finding]:
    facts = leader(snapshot)
    if _rewrapped(facts):
        yield _all_lost(facts)
        return
    if not facts.graphs or facts.first_activations is None:
        raise Lacking("no graph or no forward was read yet")
    reached = {p for graph in facts.graphs for p in graph.reached}
    for optimizer, rows in by_optimizer(histories(facts)).items():
        missing = [
            row for row in rows
            if row.parameter.p not in reached and len(row.norm) >= SAMPLES and all(norm is None for norm in row.norm)
        ]  # fmt: skip
        total, lost = (sum(row.parameter.numel for row in part) for part in (rows, missing))
        if missing and len(missing) < len(rows) and lost >= SHARE * total:
            yield from _cut(facts, optimizer, rows, missing, lost / total)


def _rewrapped(facts: RankFacts) -> bool:
    """The loss ends at no parameter, no layer is in its graph, and no gradient reaches what is trained."""
    counts = [clearing for order in facts.orders for clearing in order.clearing if clearing.held]
    if not facts.graphs or len(counts) < SAMPLES or any(clearing.with_gradient for clearing in counts):
        return False
    return all(
        graph.has_graph
        and graph.ops and graph.loose and not graph.reached and not graph.truncated
        and not any(op.startswith(LAYERS) for op in graph.ops)
        for graph in facts.graphs
    )  # fmt: skip


def _all_lost(facts: RankFacts) -> Finding:
    return Finding(
        id="graph.detached",
        severity=ERROR,
        title="the graph is cut between the model and the loss: the loss depends on a tensor made anew, on no layer",
        advice=(
            "Look between the model's output and the loss: .data, .detach() or torch.tensor(x), often followed by "
            "requires_grad_(True), which silences the error and learns nothing."
        ),
        step=facts.graphs[0].step,
        rank=facts.rank,
        where=backward_site(facts),
        evidence={"subject": "", "ops": dict(list(facts.graphs[0].ops.items())[:12]), "loose": facts.graphs[0].loose},
    )


def _cut(
    facts: RankFacts, optimizer: int, rows: list[History], missing: list[History], share: float
) -> Iterator[Finding]:
    """The missing layers must be the first ones of the forward: then the graph was cut behind them."""
    lost = {row.module for row in missing}
    trained = {row.module for row in rows}
    calls = [row for row in facts.first_activations.modules if row.module in trained] if facts.first_activations else []
    before = []
    for call in calls:
        if call.module not in lost:
            break
        before.append(call)
    after = next((call.module for call in calls if call.module not in lost), None)
    if (
        not before
        or after is None
        or {call.module for call in calls if call.module in lost} != {c.module for c in before}
    ):
        return
    last = before[-1]
    recorded = last.output.requires_grad if last.output is not None else True
    why = "its result has a history, but what goes on has none" if recorded else "it ran without recording gradients"
    names = list(dict.fromkeys(call.module for call in before))
    yield Finding(
        id="graph.detached",
        severity=ERROR if share >= ALL else WARNING,
        title=(
            f"the graph is cut between {last.module} and {after}: {listed(names)} ({share:.0%} of what is trained) "
            f"get no gradient"
        ),
        advice=(
            f"Look between the two ({why}): .detach(), .data, .item(), .numpy(), torch.tensor(x), argmax or no_grad(). "
            "If these layers are to stay as they are, set requires_grad_(False) and leave them out of the optimizer."
        ),
        step=missing[0].steps[0],
        rank=facts.rank,
        where=_forward(facts) or backward_site(facts),
        evidence={
            "subject": str(optimizer),
            "before": last.module,
            "after": after,
            "recorded": recorded,
            "share": share,
            "parameters": [row.name for row in missing[:20]],
        },
    )


def _forward(facts: RankFacts) -> Where | None:
    """The user's forward of the outermost model."""
    model = next((model for model in facts.models if model.file), None)
    return Where(model.file, model.line, "forward", "") if model else None


@check(
    "graph.retained",
    needs="variables at the backward's line, or the sizes of 3 graphs",
    explains=("memory.creep", "crash.autograd"),
)
def retained(snapshot: RunSnapshot) -> Iterator[Finding]:
    facts = leader(snapshot)
    if not facts.graphs:
        raise Lacking("no graph was read yet")
    yield from _variables(facts)
    sizes = facts.further.get("graph_size", ())
    for series in dict.fromkeys(size.series for size in sizes):
        yield from _growing(facts, series, [(size.step, size.nodes) for size in sizes if size.series == series])


def _variables(facts: RankFacts) -> Iterator[Finding]:
    seen = facts.further.get("history", ())
    for name in dict.fromkeys(history.name for history in seen):
        rows = [history for history in seen if history.name == name]
        largest = max(rows, key=lambda history: history.graphs)
        rises = [
            (b.graphs - a.graphs, b.step - a.step) for a, b in zip(rows, rows[1:], strict=False) if b.graphs > a.graphs
        ]
        if largest.graphs < KEPT or not rises:
            continue
        if sum(more for more, _ in rises) < PACE * sum(steps for _, steps in rises):
            continue
        yield Finding(
            id="graph.retained",
            severity=WARNING,
            title=f"{name} holds the graphs of {largest.graphs} past steps, one more with each step",
            advice=f"Add numbers, not tensors: {name} += loss.item() (or loss.detach()).",
            step=largest.step,
            rank=facts.rank,
            where=largest.where,
            evidence={"subject": name, "graphs": largest.graphs, "step": largest.step},
        )


def _growing(facts: RankFacts, series: int, rows: list[tuple[int, int]]) -> Iterator[Finding]:
    """Each step's graph contains all the steps before: its size is a straight line over the steps."""
    if len(rows) < 4 or rows[-1][0] <= rows[0][0]:
        return
    (first_step, first), (last_step, last) = rows[0], rows[-1]
    slope = (last - first) / (last_step - first_step)
    straight = all(abs(first + slope * (step - first_step) - size) <= FIT * size for step, size in rows)
    if last >= GREW * first and slope >= 1 and straight:
        yield Finding(
            id="graph.retained",
            severity=WARNING,
            title=(
                f"the graph grows by {slope:.0f} operations with each step: "
                f"{first} at step {first_step}, {last} at {last_step}"
            ),
            advice=(
                "A state is carried from step to step with its history (that is what retain_graph hides): detach it, "
                "hidden = hidden.detach(), before the next step."
            ),
            step=last_step,
            rank=facts.rank,
            where=backward_site(facts, series),
            evidence={"subject": f"series {series}", "sizes": rows},
        )
