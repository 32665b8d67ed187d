"""What a loss function is given: targets outside their range, a softmax over the wrong dimension, arguments swapped."""

from __future__ import annotations

from collections.abc import Iterator

from dlmon.checks.facts import backward_site, below, beneath, through
from dlmon.checks.finding import ERROR, Finding
from dlmon.checks.frames import user_line
from dlmon.checks.loss_form import PASS_BY, graphs, losses
from dlmon.checks.registry import TREND, check
from dlmon.state.snapshot import RankFacts, RunSnapshot
from dlmon_probes import events

SLACK = 1e-3  # beyond [0, 1]: half precision and label smoothing round
TURNING = frozenset({"TransposeBackward0", "TBackward0", "PermuteBackward0", "MovedimBackward0"})
STRAIGHT = (PASS_BY - TURNING) | {"LogBackward0", "NegBackward0"}
SOFTMAX = ("SoftmaxBackward0", "LogSoftmaxBackward0")
SUMMED = frozenset({"DivBackward0", "MeanBackward0", "MeanBackward1", "SumBackward0", "SumBackward1"})
SWAPPABLE = ("BinaryCrossEntropy",)


@check(
    "loss.target_range",
    needs="the autograd graph of a loss with its targets",
    explains=("loss.initial_value", "data.dtype", "crash.other", *TREND),
)
def target_range(snapshot: RunSnapshot) -> Iterator[Finding]:
    facts, crash = snapshot.leader, snapshot.leader.crash if snapshot.leader else None
    if facts is not None and crash is not None and "elements of target should be between 0 and 1" in crash.message:
        yield _finding(
            facts, None, crash, "binary_cross_entropy gets targets outside 0 … 1",
            "Give it 0/1 labels or probabilities: y − 1 for {1, 2}, (y + 1) / 2 for {−1, 1}, pixels / 255.", {},
            id="loss.target_range",
        )  # fmt: skip
        return
    facts, first = graphs(snapshot)
    for graph in first:
        for _, loss in losses(graph, "BinaryCrossEntropy"):
            target = loss.target if loss else None
            if target is None or target.min is None or target.max is None:
                continue
            if target.min < -SLACK or target.max > 1 + SLACK:
                yield _targets(facts, graph, target)
        if graph.value is not None and graph.value < 0 and _kl_of_probabilities(graph):
            yield _finding(
                facts, graph, None,
                f"kl_div gets probabilities where it needs log-probabilities (its value is {graph.value:.3g})",
                "Hand it F.log_softmax(scores, dim=-1) instead of softmax; the target stays probabilities.",
                {"value": graph.value, "chain": ["kl_div", "softmax"]}, id="loss.target_range",
            )  # fmt: skip


def _targets(facts: RankFacts, graph: events.Graph, target: events.TensorFacts) -> Finding:
    low, high = target.min or 0.0, target.max or 0.0
    how = "labels − 1" if (low, high) == (1, 2) else "(labels + 1) / 2" if (low, high) == (-1, 1) else "a division"
    return _finding(
        facts, graph, None, f"binary cross-entropy gets targets from {low:.3g} to {high:.3g}; they must lie in 0 … 1",
        f"Bring them to 0 … 1 ({how}); outside of it the loss has no minimum. For several classes use cross_entropy.",
        {"target_min": low, "target_max": high}, id="loss.target_range",
    )  # fmt: skip


def _kl_of_probabilities(graph: events.Graph) -> bool:
    """kl_div is `t·log t − t·input`, summed: a product with a constant below a difference below the sum."""
    if not graph.nodes:
        return False
    node = beneath(graph, graph.nodes[0], SUMMED | PASS_BY | {"MulBackward0"})  # times the temperature squared
    if node is None:
        return False
    if node.op != "SubBackward0" or len(node.inputs) != 1:
        return False
    product = next(below(graph, node), None)
    if product is None or product.op != "MulBackward0" or len(product.inputs) != 1:
        return False
    made = through(graph, product, PASS_BY)
    return made is not None and made.op in ("SoftmaxBackward0", "SigmoidBackward0")


@check("loss.softmax_dim", needs="the autograd graph of a loss", explains=("loss.initial_value", *TREND))
def softmax_dim(snapshot: RunSnapshot) -> Iterator[Finding]:
    facts, first = graphs(snapshot)
    for graph in first:
        for node, loss in losses(graph, "NllLoss", "MseLoss", "BinaryCrossEntropyBackward"):
            made, shape = _softmax_in_front(graph, node), loss.prediction.shape if loss and loss.prediction else []
            if made is None or not _over_rows(made) or len(shape) < 2 or shape[0] < 2:
                continue
            if made.saved.get("result") == shape and (len(shape) == 2 or node.op.startswith("NllLoss")):
                n, width = shape[0], shape[1]
                yield _finding(
                    facts, graph, None,
                    f"softmax runs over the batch: dim=0 of {n}×{width}, so scores of {n} samples compete, "
                    f"not the {width} classes of one",
                    "Use dim=1 (or dim=-1 where classes come last).",
                    {"dim": 0, "shape": list(shape)}, id="loss.softmax_dim",
                )  # fmt: skip


def _over_rows(node: events.GraphNode) -> bool:
    """Dimension 0, also where it is counted from the end."""
    shape = node.saved.get("result") or []
    return node.saved.get("dim") in (0, -len(shape)) and len(shape) > 0


def _softmax_in_front(graph: events.Graph, node: events.GraphNode) -> events.GraphNode | None:
    made = through(graph, node, frozenset(STRAIGHT))
    if made is not None and made.op == "LogSoftmaxBackward0" and not _over_rows(made):
        made = through(graph, made, frozenset(STRAIGHT))  # cross_entropy's own; what was handed to it counts
    return made if made is not None and made.op in SOFTMAX else None


@check(
    "loss.arguments_swapped",
    needs="the autograd graph of a loss",
    explains=("loss.initial_value", "loss.target_range", "crash.other", "crash.dtype", "grads.nonfinite", *TREND),
)
def arguments_swapped(snapshot: RunSnapshot) -> Iterator[Finding]:
    facts, first = graphs(snapshot)
    for graph in first:
        for node, _ in losses(graph, *SWAPPABLE):
            if node.saved.get("gradient_to") == [1]:
                name = "binary_cross_entropy" + ("_with_logits" if "WithLogits" in node.op else "")
                yield _finding(
                    facts, graph, None, f"{name} gets the prediction as its target: the arguments are exchanged",
                    f"The order is (prediction, target): {name}(output, target).", {"gradient_to": "target"},
                    id="loss.arguments_swapped",
                )  # fmt: skip


def logits_in_bce(facts: RankFacts) -> Iterator[Finding]:
    """A crash of binary_cross_entropy on values outside 0 … 1: said as loss.sigmoid_before_bce_logits's other side."""
    crash = facts.crash
    if crash is not None and "elements of input should be between 0 and 1" in crash.message:
        yield _finding(
            facts, None, crash, "binary_cross_entropy gets raw scores; it needs probabilities between 0 and 1",
            "Use binary_cross_entropy_with_logits (BCEWithLogitsLoss) on the raw scores, or a sigmoid in front.", {},
            id="loss.sigmoid_before_bce_logits",
        )  # fmt: skip


def scores_in_nll(facts: RankFacts, graph: events.Graph) -> Iterator[Finding]:
    """nll_loss right behind a layer: values above 0 are no log-probabilities."""
    for node, loss in losses(graph, "NllLoss"):
        above, high = through(graph, node, PASS_BY), loss.prediction.max if loss and loss.prediction else None
        layer = above is not None and above.op.startswith(("Addmm", "Mm", "Convolution", "Relu", "Tanh", "Sigmoid"))
        if layer and high is not None and high > SLACK:
            yield _finding(
                facts, graph, None, f"nll_loss gets raw scores (up to {high:.3g}) where it needs log-probabilities",
                "Hand the scores to cross_entropy, or put log_softmax in front of nll_loss.",
                {"chain": ["nll_loss", "scores"], "max": high}, id="loss.softmax_before_ce",
            )  # fmt: skip


def _finding(
    facts: RankFacts,
    graph: events.Graph | None,
    crash: events.Crash | None,
    title: str,
    advice: str,
    evidence: dict[str, object],
    *,
    id: str,
) -> Finding:
    return Finding(
        id=id,
        severity=ERROR,
        title=title,
        advice=advice,
        step=graph.step if graph else crash.step if crash else None,
        rank=facts.rank,
        where=user_line(crash) if crash else backward_site(facts, graph.series if graph else None),
        evidence={"subject": str(graph.series) if graph else "crash", **evidence},
    )
