"""A loss that is made as large as possible: its sign is wrong, or the optimizer maximises."""

from __future__ import annotations

from collections.abc import Iterator
from statistics import median

from dlmon.checks.facts import backward_site, below, finite
from dlmon.checks.finding import ERROR, WARNING, Finding
from dlmon.checks.loss_form import VIEWS, graphs, losses
from dlmon.checks.registry import TREND, check
from dlmon.state.snapshot import RankFacts, RunSnapshot, SeriesView
from dlmon_probes import events

NEVER_NEGATIVE = (
    "NllLoss", "MseLoss", "SmoothL1Loss", "HuberLoss", "BinaryCrossEntropyWithLogits", "BinaryCrossEntropyBackward",
)  # fmt: skip
SCALED = frozenset(
    f"{name}Backward{n}" for n in (0, 1) for name in ("Neg", "Mul", "Div", "Mean", "Sum")
)  # between a loss function and what goes backward; a sum of several is another matter
PICKED = VIEWS | {"GatherBackward0", "MeanBackward0", "MeanBackward1", "SumBackward0", "SumBackward1", "DivBackward0"}
STEPS = 20
WORSE = 0.5  # of the first value's size, by which it fell further below 0


@check("loss.sign", needs="the autograd graph of a loss and its value", explains=("loss.initial_value", *TREND))
def sign(snapshot: RunSnapshot) -> Iterator[Finding]:
    facts, first = graphs(snapshot)
    if len(facts.series) != 1 or len(facts.optimizers) > 1 or not _trains_a_model(facts):
        return  # players against each other, or an input that is made to fool a model
    maximised = any(group.options.get("maximize") is True for o in facts.optimizers for group in o.groups)
    read = [graph for graph in facts.graphs if graph.series == first[0].series]
    names = [_upside_down(graph) for graph in read]
    if all(names) and not maximised:
        yield _finding(snapshot, facts, read[0], f"what goes backward is {names[0]}, below 0", maximised)
    elif maximised and not any(names) and all(_plain_loss(graph) for graph in read):
        yield _finding(snapshot, facts, read[0], "the optimizer was made with maximize=True", maximised)


def _trains_a_model(facts: RankFacts) -> bool:
    held = {p for optimizer in facts.optimizers for group in optimizer.groups for p in group.parameters}
    modules = {p.p for model in facts.models if model.cls for p in model.parameters}
    return bool(modules & held if held else modules)


def _upside_down(graph: events.Graph) -> str:
    """How the loss came to be negative; empty where it is not, or where it may be meant to be."""
    if graph.value is None or not graph.value < 0 or not graph.nodes:
        return ""
    node = _below(graph, graph.nodes[0], SCALED | VIEWS)
    if node is not None and node.op.startswith(NEVER_NEGATIVE) and _cannot_be_negative(graph, node):
        return f"the negative of {_name(node.op)}"
    picked = _below(graph, graph.nodes[0], PICKED)
    if picked is not None and picked.op == "LogSoftmaxBackward0" and "GatherBackward0" in graph.ops:
        return "the log-probability of the targets without its minus sign"
    return ""


def _plain_loss(graph: events.Graph) -> bool:
    node = _below(graph, graph.nodes[0], SCALED | VIEWS) if graph.nodes else None
    return node is not None and node.op.startswith(NEVER_NEGATIVE) and (graph.value or 0.0) > 0


def _below(graph: events.Graph, node: events.GraphNode, pass_by: frozenset[str]) -> events.GraphNode | None:
    """The first node not in `pass_by`, along nodes that have one input with a history."""
    for _ in range(len(graph.nodes)):
        if node.op not in pass_by:
            return node
        inputs = list(below(graph, node))
        if len(inputs) != 1:
            return None
        node = inputs[0]
    return None


def _cannot_be_negative(graph: events.Graph, node: events.GraphNode) -> bool:
    if node.op.startswith("NllLoss"):
        made = _below(graph, next(below(graph, node), node), VIEWS)
        return made is not None and made.op == "LogSoftmaxBackward0"
    if not node.op.startswith("BinaryCrossEntropy"):
        return True
    targets = [loss.target for _, loss in losses(graph, "BinaryCrossEntropy") if loss is not None]
    return all(t is not None and t.min is not None and t.max is not None and t.min >= 0 >= t.max - 1 for t in targets)


def _name(op: str) -> str:
    known = {"NllLoss": "cross-entropy", "MseLoss": "the squared error", "Binary": "binary cross-entropy"}
    return next((name for prefix, name in known.items() if op.startswith(prefix)), op.removesuffix("Backward0"))


def _finding(snapshot: RunSnapshot, facts: RankFacts, graph: events.Graph, what: str, maximised: bool) -> Finding:
    series = next((line for line in snapshot.series if line.source == "loss"), None)
    worse = series is not None and _got_worse(series, maximised)
    where = facts.optimizers[0].where if maximised else None
    return Finding(
        id="loss.sign",
        severity=ERROR if worse else WARNING,
        title=f"the loss is maximised: {what}" + (", and training makes it worse" if worse else ""),
        advice=(
            "Leave maximize=True out: it is for rewards."
            if maximised
            else "Remove the minus sign (or put the one in that is missing): a loss is made small."
        ),
        step=graph.step,
        rank=facts.rank,
        where=where or backward_site(facts, graph.series),
        evidence={"subject": str(graph.series), "value": graph.value, "maximize": maximised, "worse": worse},
    )


def _got_worse(series: SeriesView, maximised: bool) -> bool:
    first, last = finite(value for _, value in series.first[:3]), finite(value for _, value in series.recent[-5:])
    if series.count < STEPS or not first or not last:
        return False
    moved = median(last) - median(first)
    return (moved if maximised else -moved) > WORSE * abs(median(first))
