"""How the model is put together: layers with nothing between, layers that nobody knows, dropout that stays on."""

from __future__ import annotations

import re
from collections.abc import Iterator

from dlmon.checks.facts import Lacking, backward_site, below, beneath, leader, listed, parameters_of
from dlmon.checks.finding import ERROR, HINT, WARNING, Finding
from dlmon.checks.loss_form import VIEWS, graphs, losses
from dlmon.checks.model_units import layer_site
from dlmon.checks.registry import TREND, check
from dlmon.state.snapshot import RankFacts, RunSnapshot
from dlmon_probes import events

LINEAR = ("AddmmBackward0", "MmBackward0", "ConvolutionBackward0")
NORMS = ("NativeBatchNormBackward0", "CudnnBatchNormBackward0", "MiopenBatchNormBackward0")
# What a purely linear model's graph may consist of, beside the loss.
INERT = frozenset(VIEWS) | {
    *LINEAR, "AccumulateGrad", "MeanBackward0", "MeanBackward1", "SumBackward0", "SumBackward1", "DivBackward0",
    "LogSoftmaxBackward0", "NllLossBackward0", "MseLossBackward0", "BinaryCrossEntropyWithLogitsBackward0",
    "SmoothL1LossBackward0", "TBackward0",
}  # fmt: skip
PER_CLASS = 20  # samples per output before a missing class means anything
USED = 0.5  # of the outputs
_IN_LIST = re.compile(r"^(?!optimizer\d)[A-Za-z_][\w.]*\.[^.]+\.(?:[\w.]+\.)?\w+$")


def _finding(facts: RankFacts, id: str, severity: str, title: str, advice: str, **evidence: object) -> Finding:
    return Finding(
        id=id, severity=severity, title=title, advice=advice, step=0, rank=facts.rank, where=layer_site(facts),
        evidence=evidence,
    )  # fmt: skip


def _own(facts: RankFacts, graph: events.Graph, node: events.GraphNode) -> list[events.Parameter]:
    """The parameters that an operation uses itself."""
    known, found = parameters_of(facts), []
    for leaf in below(graph, node):
        leaf = beneath(graph, leaf, VIEWS) or leaf
        p = leaf.saved.get("p")
        if leaf.op == "AccumulateGrad" and isinstance(p, int) and p in known:
            found.append(known[p])
    return found


def _weight(facts: RankFacts, graph: events.Graph, node: events.GraphNode) -> events.Parameter | None:
    return next((p for p in _own(facts, graph, node) if len(p.shape) >= 2), None)


def _data(graph: events.Graph, node: events.GraphNode) -> events.GraphNode | None:
    """The operation that made a layer's input, through views."""
    for leaf in below(graph, node):
        leaf = beneath(graph, leaf, VIEWS - {"TBackward0"}) or leaf
        if leaf.op not in ("AccumulateGrad", "TBackward0"):
            return leaf
    return None


@check("model.no_nonlinearity", needs="the autograd graph of a loss")
def no_nonlinearity(snapshot: RunSnapshot) -> Iterator[Finding]:
    facts, first = graphs(snapshot)
    for graph in first:
        stacked = [
            (lower, upper) for node in graph.nodes if node.op in LINEAR
            for lower, upper in [_stacked(facts, graph, node)] if lower is not None and upper is not None
        ]  # fmt: skip
        if stacked:
            names = [f"{a.name.rpartition('.')[0]} and {b.name.rpartition('.')[0]}" for a, b in stacked]
            everywhere = set(graph.ops) <= INERT and not graph.truncated
            yield _finding(
                facts, "model.no_nonlinearity", WARNING if everywhere else HINT,
                f"nothing stands between {listed(names, 2)}: two linear layers in a row are one",
                "Put an activation (ReLU, GELU…) between them, or make them one layer.",
                subject=str(graph.series), pairs=names[:10],
            )  # fmt: skip


def _stacked(
    facts: RankFacts, graph: events.Graph, node: events.GraphNode
) -> tuple[events.Parameter | None, events.Parameter | None]:
    """Weights of a layer and of the one right below it, where the two together can do no more than one."""
    upper, source = _weight(facts, graph, node), _data(graph, node)
    if upper is None or source is None or source.op != node.op:
        return None, None
    lower = _weight(facts, graph, source)
    if lower is None or lower is upper or node.saved.get("groups", 1) != 1 or source.saved.get("groups", 1) != 1:
        return None, None
    inner, outer = lower.shape[0], (lower.shape[1], upper.shape[0])
    bottleneck = inner < min(outer)  # a factorised layer: fewer parameters, on purpose
    spatial = node.op == "ConvolutionBackward0" and any(k > 1 for k in upper.shape[2:] + lower.shape[2:])
    return (None, None) if bottleneck or spatial else (lower, upper)


@check("model.bias_before_norm", needs="the autograd graph of a loss")
def bias_before_norm(snapshot: RunSnapshot) -> Iterator[Finding]:
    facts, first = graphs(snapshot)
    for graph in first:
        biases = []
        for node in graph.nodes:
            source = _data(graph, node) if node.op in NORMS else None
            if source is not None and source.op in LINEAR:
                biases += [p.name for p in _own(facts, graph, source) if len(p.shape) == 1]
        if biases:
            have = "have" if len(set(biases)) > 1 else "has"
            yield _finding(
                facts, "model.bias_before_norm", HINT,
                f"{listed(biases)} {have} no effect: the batch norm behind them subtracts the mean again",
                "Make these layers with bias=False; the norm has its own.",
                subject=str(graph.series), parameters=list(dict.fromkeys(biases))[:20],
            )  # fmt: skip


@check("model.modules_in_list", needs="the model's parameters and those the loss reaches")
def modules_in_list(snapshot: RunSnapshot) -> Iterator[Finding]:
    facts = leader(snapshot)
    if not any(model.cls for model in facts.models):
        raise Lacking("no model was seen yet")
    known = {p.p for model in facts.models if model.cls for p in model.parameters}
    loose = [p for model in facts.models if not model.cls for p in model.parameters if p.p not in known]
    loose = [p for p in loose if p.requires_grad and _IN_LIST.match(p.name)]
    if not loose:
        return
    trained = [p for p in loose if p.optimizer is not None]
    names = list(dict.fromkeys(p.name.rpartition(".")[0] for p in loose))
    stays = "they are trained, but not saved, not moved and not switched" if trained else "they are not trained"
    yield _finding(
        facts, "model.modules_in_list", WARNING if trained else ERROR,
        f"{len(names)} layers sit in a plain list or dict that the model does not see: {listed(names)}; {stays}",
        "Use nn.ModuleList or ModuleDict instead: parameters(), to(), state_dict() and eval() then reach them.",
        subject="", parameters=[p.name for p in loose[:20]], trained=len(trained),
    )  # fmt: skip


@check("model.functional_dropout", needs="the source of the model's forward, and an evaluation")
def functional_dropout(snapshot: RunSnapshot) -> Iterator[Finding]:
    facts = leader(snapshot)
    calls = facts.further.get("functional_dropout", ())
    if not calls:
        return
    evaluated = bool(snapshot.evaluations)
    for call in calls:
        yield Finding(
            id="model.functional_dropout",
            severity=WARNING if evaluated else HINT,
            title=f"{call.call} in {call.cls} stays on in evaluation: it does not know of eval()",
            advice="Write F.dropout(x, p, training=self.training), or use nn.Dropout; say training=True if meant.",
            step=snapshot.step,
            rank=facts.rank,
            where=call.where,
            evidence={"subject": f"{call.where.file}:{call.where.line}", "evaluations": len(snapshot.evaluations)},
        )


@check("model.output_shape", needs="a class loss and its labels", explains=("grads.zero", *TREND))
def output_shape(snapshot: RunSnapshot) -> Iterator[Finding]:
    facts, first = graphs(snapshot)
    for graph in first:
        for _, loss in losses(graph, "NllLoss"):
            if loss is None or not loss.classes:
                continue
            if loss.classes == 1:
                yield Finding(
                    id="model.output_shape",
                    severity=ERROR,
                    title="cross_entropy over a single output is always 0: the model has one output, not one per class",
                    advice=(
                        "For two classes give the last layer 2 outputs, or keep one and use "
                        "binary_cross_entropy_with_logits on output.squeeze(1) and labels.float()."
                    ),
                    step=graph.step,
                    rank=facts.rank,
                    where=backward_site(facts, graph.series),
                    evidence={"subject": str(graph.series), "outputs": 1},
                )
            else:
                yield from _unused(facts, graph.series, loss.classes)


def _unused(facts: RankFacts, series: int, classes: int) -> Iterator[Finding]:
    labels: dict[str, int] = {}
    for graph in facts.graphs:
        for loss in graph.losses if graph.series == series else ():
            for label, count in loss.labels.items():
                labels[label] = labels.get(label, 0) + count
    highest = max((int(label) for label in labels), default=-1)
    if highest >= 0 and sum(labels.values()) >= PER_CLASS * classes and highest + 1 <= USED * classes:
        yield Finding(
            id="model.output_shape",
            severity=HINT,
            title=f"the model has {classes} outputs, the labels go from 0 to {highest} ({sum(labels.values())} seen)",
            advice=f"If there are {highest + 1} classes, give the last layer {highest + 1} outputs.",
            step=0,
            rank=facts.rank,
            where=backward_site(facts, series),
            evidence={"subject": str(series), "outputs": classes, "highest_label": highest},
        )
