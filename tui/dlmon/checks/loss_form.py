"""What stands in front of the loss function, read off the autograd graph."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from dlmon.checks.facts import Lacking, backward_site, below, leader, through
from dlmon.checks.finding import ERROR, Finding
from dlmon.checks.registry import TREND, check
from dlmon.state.snapshot import RankFacts, RunSnapshot
from dlmon_probes import events

SPREAD = 1.0 + 1e-3  # log-softmax of probabilities: no two of them differ by more than 1
ROW_SUM = 0.01  # probabilities of a row sum to 1; half precision is off by less than this

VIEWS = frozenset(
    f"{name}Backward{n}"
    for n in (0, 1)
    for name in (
        "View", "UnsafeView", "ReshapeAlias", "Permute", "Transpose", "T", "Squeeze", "Unsqueeze", "Slice", "Select",
        "Clone", "ToCopy", "Alias", "Index", "Movedim", "Contiguous",
    )
)  # fmt: skip
# What a guard like `probabilities.clamp(1e-6, 1 - 1e-6)` leaves in the graph: probabilities stay probabilities.
PASS_BY = VIEWS | {"ClampBackward0", "ClampBackward1", "ClampMinBackward0", "ClampMaxBackward0"}
ELEMENTWISE = ("PowBackward0", "AbsBackward0")
BROADCASTING = ("MseLossBackward0", "SmoothL1LossBackward0", "HuberLossBackward0", "L1LossBackward0")


def graphs(snapshot: RunSnapshot) -> tuple[RankFacts, list[events.Graph]]:
    """The first graph of each series."""
    facts = leader(snapshot)
    first: dict[int, events.Graph] = {}
    for graph in facts.graphs:
        first.setdefault(graph.series, graph)
    if not first:
        raise Lacking("no autograd graph was read yet")
    return facts, list(first.values())


def losses(graph: events.Graph, *prefixes: str) -> Iterator[tuple[events.GraphNode, events.LossFacts | None]]:
    """The graph's loss nodes of a kind, with what they saved (in the same order)."""
    saved = [loss for loss in graph.losses if loss.op.startswith(prefixes)]
    for n, node in enumerate(node for node in graph.nodes if node.op.startswith(prefixes)):
        yield node, saved[n] if n < len(saved) else None


@check("loss.softmax_before_ce", needs="the autograd graph of a loss", explains=("loss.initial_value", *TREND))
def softmax_before_ce(snapshot: RunSnapshot) -> Iterator[Finding]:
    from dlmon.checks.loss_inputs import scores_in_nll

    facts, first = graphs(snapshot)
    for graph in first:
        yield from scores_in_nll(facts, graph)
        for node, loss in losses(graph, "NllLoss"):
            above = through(graph, node, PASS_BY)
            if above is None:
                continue
            if above.op == "SoftmaxBackward0":
                yield _probabilities_to_nll(facts, graph)
            elif above.op == "LogSoftmaxBackward0":
                handed = through(graph, above, PASS_BY)
                if handed is not None and _is_softmax(graph, handed) and _is_distribution(loss):
                    yield _softmax_before_ce(facts, graph, loss)


def _is_softmax(graph: events.Graph, node: events.GraphNode) -> bool:
    """True for softmax, and for `e / e.sum(1, keepdim=True)` with `e = scores.exp()`."""
    if node.op != "DivBackward0" or len(node.inputs) != 2:
        return node.op == "SoftmaxBackward0"
    above, under = node.inputs
    inside = range(len(graph.nodes))
    if above not in inside or under not in inside or graph.nodes[above].op != "ExpBackward0":
        return False
    return graph.nodes[under].op.startswith("SumBackward") and list(graph.nodes[under].inputs) == [above]


def _is_distribution(loss: events.LossFacts | None) -> bool:
    """Values must agree with the graph: a softmax over another dimension may stand there with good reason."""
    if loss is None or loss.spread is None:
        return loss is not None and loss.input_row_sum is not None and abs(loss.input_row_sum - 1) < ROW_SUM
    return loss.spread <= SPREAD


def _softmax_before_ce(facts: RankFacts, graph: events.Graph, loss: events.LossFacts | None) -> Finding:
    spread = loss.spread if loss else None
    told = "" if spread is None else f": its log-probabilities differ by {spread:.2g} only"
    return Finding(
        id="loss.softmax_before_ce",
        severity=ERROR,
        title=f"cross_entropy gets probabilities that went through softmax already{told}",
        advice="Remove the softmax from the model: cross_entropy applies its own to raw scores (logits).",
        step=graph.step,
        rank=facts.rank,
        where=backward_site(facts, graph.series),
        evidence={
            "subject": str(graph.series),
            "chain": ["nll_loss", "log_softmax", "softmax"],
            "spread": spread,
            "row_sum": loss.input_row_sum if loss else None,
            "classes": loss.classes if loss else None,
        },
    )


def _probabilities_to_nll(facts: RankFacts, graph: events.Graph) -> Finding:
    return Finding(
        id="loss.softmax_before_ce",
        severity=ERROR,
        title="nll_loss gets probabilities from softmax where it needs log-probabilities",
        advice="Use log_softmax in front of nll_loss, or hand the raw scores to cross_entropy.",
        step=graph.step,
        rank=facts.rank,
        where=backward_site(facts, graph.series),
        evidence={"subject": str(graph.series), "chain": ["nll_loss", "softmax"]},
    )


@check(
    "loss.sigmoid_before_bce_logits",
    needs="the autograd graph of a loss",
    explains=("loss.initial_value", "crash.other", *TREND),
)
def sigmoid_before_bce_logits(snapshot: RunSnapshot) -> Iterator[Finding]:
    from dlmon.checks.loss_inputs import logits_in_bce

    crashed = list(logits_in_bce(snapshot.leader)) if snapshot.leader is not None else []
    if crashed:
        yield from crashed
        return
    facts, first = graphs(snapshot)
    for graph in first:
        for node, loss in losses(graph, "BinaryCrossEntropyWithLogits"):
            above = through(graph, node, PASS_BY)
            if above is not None and above.op == "SigmoidBackward0" and _inside_unit(loss):
                yield Finding(
                    id="loss.sigmoid_before_bce_logits",
                    severity=ERROR,
                    title="binary_cross_entropy_with_logits gets values that went through sigmoid already",
                    advice="Remove the sigmoid from the model: this loss applies its own to raw scores (logits).",
                    step=graph.step,
                    rank=facts.rank,
                    where=backward_site(facts, graph.series),
                    evidence={
                        "subject": str(graph.series),
                        "chain": ["binary_cross_entropy_with_logits", "sigmoid"],
                        "input_min": loss.input_min if loss else None,
                        "input_max": loss.input_max if loss else None,
                    },
                )


def _inside_unit(loss: events.LossFacts | None) -> bool:
    if loss is None or loss.input_min is None or loss.input_max is None:
        return True  # a sigmoid straight in front leaves no room for doubt
    return loss.input_min >= 0 and loss.input_max <= 1


@check("loss.broadcast", needs="the autograd graph of a loss", explains=("loss.initial_value", *TREND))
def broadcast(snapshot: RunSnapshot) -> Iterator[Finding]:
    facts, first = graphs(snapshot)
    for graph in first:
        found = _expanded(graph) or _subtracted(graph)
        if found is not None:
            yield _broadcast(facts, graph, *found)


def _expanded(graph: events.Graph) -> tuple[Sequence[int], Sequence[int]] | None:
    """(shape of the prediction, shape of the loss) where the loss function expanded the prediction to a square."""
    for node, loss in losses(graph, *BROADCASTING):
        shape = node.saved.get("self") or (loss.prediction.shape if loss and loss.prediction else [])
        above = next(below(graph, node), None)
        if above is None or above.op != "ExpandBackward0" or not _square(shape):
            continue
        origin = above.saved.get("self_sym_sizes")
        if origin and _became(origin, shape):
            return origin, shape
    return None


def _subtracted(graph: events.Graph) -> tuple[Sequence[int], Sequence[int]] | None:
    """The same for a loss written by hand, `((prediction - target) ** 2).mean()` or `(error * error).mean()`."""
    for node in graph.nodes[:16]:
        shape = node.saved.get("self", [])
        own_product = node.op == "MulBackward0" and len(node.inputs) == 2 and len(set(node.inputs)) == 1
        if not (node.op in ELEMENTWISE or own_product) or not _square(shape):
            continue
        difference = next(below(graph, node), None)
        # Two inputs with history: pairs of predictions are compared, and the square is meant.
        if difference is None or difference.op not in ("SubBackward0", "RsubBackward1") or len(difference.inputs) != 1:
            continue
        origin = _made_shape(next(below(graph, difference), None))
        if origin and _became(origin, shape):
            return origin, shape
    return None


def _made_shape(node: events.GraphNode | None) -> list[int] | None:
    """The shape of what a node made, where the node's saved sizes tell it."""
    if node is None:
        return None
    if node.op == "MmBackward0":
        rows, columns = node.saved.get("self_sym_sizes"), node.saved.get("mat2_sym_sizes")
        return [rows[0], columns[1]] if rows and columns else None
    if node.op == "AddmmBackward0":
        rows, columns = node.saved.get("mat1_sym_sizes"), node.saved.get("mat2_sym_sizes")
        return [rows[0], columns[1]] if rows and columns else None
    size = node.saved.get("self_sym_sizes")
    if node.op.startswith("SqueezeBackward") and size:
        return [n for n in size if n != 1]
    if node.op == "SigmoidBackward0":
        return node.saved.get("result")
    return None


def _square(shape: Sequence[int]) -> bool:
    return len(shape) == 2 and shape[0] == shape[1] > 1


def _became(origin: Sequence[int] | None, shape: Sequence[int]) -> bool:
    """True for (N, 1), (1, N) or (N,) that became (N, N)."""
    return origin is not None and list(origin) in ([shape[0], 1], [1, shape[0]], [shape[0]])


def _broadcast(facts: RankFacts, graph: events.Graph, origin: Sequence[int], shape: Sequence[int]) -> Finding:
    n = shape[0]
    target = f"({n}, 1)" if list(origin) == [n] else f"({n},)"
    return Finding(
        id="loss.broadcast",
        severity=ERROR,
        title=f"the loss compares {n}×{n} pairs: predictions {_tuple(origin)} were broadcast against targets {target}",
        advice="Give both the same shape: target.unsqueeze(1), or prediction.squeeze(1).",
        step=graph.step,
        rank=facts.rank,
        where=backward_site(facts, graph.series),
        evidence={"subject": str(graph.series), "prediction": list(origin), "broadcast_to": list(shape)},
    )


def _tuple(shape: Sequence[int]) -> str:
    return f"({shape[0]},)" if len(shape) == 1 else f"({', '.join(map(str, shape))})"
