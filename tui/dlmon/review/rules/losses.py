"""What is given to a loss as the prediction: probabilities where it wants logits, and the reverse."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence

from dlmon.checks.finding import ERROR, HINT, WARNING
from dlmon.review.numbers import whole
from dlmon.review.outputs import CONV, LINEAR, LOG_SIGMOID, LOG_SOFTMAX, SIGMOID, SOFTMAX, Tail
from dlmon.review.rule import Place, Reading, at, rule
from dlmon.review.source import Source, argument

CROSS_ENTROPY = frozenset({"CrossEntropyLoss", "cross_entropy"})
BCE_LOGITS = frozenset({"BCEWithLogitsLoss", "binary_cross_entropy_with_logits"})
BCE = frozenset({"BCELoss", "binary_cross_entropy"})
NLL = frozenset({"NLLLoss", "nll_loss"})
KL = frozenset({"KLDivLoss", "kl_div"})


def loss_calls(reading: Reading) -> Sequence[tuple[str, ast.Call, Source]]:
    """Every call that computes a loss of torch, with the name of the loss."""
    return reading.once("loss calls", lambda: _loss_calls(reading))


def _loss_calls(reading: Reading) -> Iterator[tuple[str, ast.Call, Source]]:
    for source in reading.project.sources:
        for calls in source.calls.values():
            for call in calls:
                if call.args or call.keywords:
                    name = reading.roles.loss(call, source)
                    if name:
                        yield name, call, source


def prediction(call: ast.Call) -> ast.expr | None:
    return argument(call, 0, "input")


def target(call: ast.Call) -> ast.expr | None:
    return argument(call, 1, "target")


def _judge(reading: Reading, losses: frozenset[str], *kinds: str) -> Iterator[tuple[ast.Call, Source, Tail]]:
    for name, call, source in loss_calls(reading):
        given = prediction(call) if name in losses else None
        tail = reading.outputs.only(given, source, *kinds) if given is not None else None
        if tail is not None:
            yield call, source, tail


def _evidence(tail: Tail) -> dict[str, object]:
    return {"comes_from": at(tail.node, tail.source), "operation": tail.kind}


@rule("softmax_before_ce", WARNING)
def softmax_before_ce(reading: Reading) -> Iterator[Place]:
    """A softmax in front of CrossEntropyLoss, which applies one of its own."""
    for call, source, tail in _judge(reading, CROSS_ENTROPY, SOFTMAX):
        yield Place(
            call, source,
            f"cross entropy gets the softmax of {at(tail.node, tail.source, source)} and applies one of its own: "
            "with 10 classes the loss cannot fall below 1.46",
            "Give it the raw logits; apply softmax only where probabilities are looked at.", evidence=_evidence(tail),
        )  # fmt: skip
    for call, source, tail in _judge(reading, CROSS_ENTROPY, SIGMOID):
        yield Place(
            call, source,
            f"cross entropy gets the sigmoid of {at(tail.node, tail.source, source)} where it wants raw logits",
            "Give it the raw logits; for several labels at once use BCEWithLogitsLoss.", evidence=_evidence(tail),
        )  # fmt: skip
    for call, source, tail in _judge(reading, CROSS_ENTROPY, LOG_SOFTMAX):
        yield Place(
            call, source,
            f"cross entropy gets the log_softmax of {at(tail.node, tail.source, source)}: the second one "
            "changes nothing",
            "Leave log_softmax out, or use nll_loss.", HINT, _evidence(tail),
        )  # fmt: skip


@rule("sigmoid_before_bce_logits", WARNING)
def sigmoid_before_bce_logits(reading: Reading) -> Iterator[Place]:
    """A sigmoid in front of BCEWithLogitsLoss, which applies one of its own."""
    for call, source, tail in _judge(reading, BCE_LOGITS, SIGMOID, LOG_SIGMOID, SOFTMAX):
        yield Place(
            call, source,
            f"BCEWithLogits gets the {tail.kind} of {at(tail.node, tail.source, source)} and applies a sigmoid of "
            "its own: "
            "no prediction gets below 0.5",
            "Give it the raw logits, or use BCELoss.", evidence=_evidence(tail),
        )  # fmt: skip


@rule("bce_on_logits", ERROR)
def bce_on_logits(reading: Reading) -> Iterator[Place]:
    """Raw logits in BCELoss, which wants probabilities."""
    for call, source, tail in _judge(reading, BCE, LINEAR, CONV):
        yield Place(
            call, source,
            f"BCELoss wants probabilities and gets the raw output of {at(tail.node, tail.source, source)}: "
            "outside of 0 to 1 it raises",
            "Use BCEWithLogitsLoss, or apply a sigmoid first.", evidence=_evidence(tail),
        )  # fmt: skip


@rule("nll_without_log_softmax", WARNING)
def nll_without_log_softmax(reading: Reading) -> Iterator[Place]:
    """NLLLoss without log_softmax in front: the loss has no lower bound and means nothing."""
    for call, source, tail in _judge(reading, NLL, LINEAR, CONV, SOFTMAX, SIGMOID):
        what = "raw logits" if tail.kind in (LINEAR, CONV) else f"the {tail.kind}"
        yield Place(
            call, source,
            f"nll_loss wants log-probabilities and gets {what} of {at(tail.node, tail.source, source)}: "
            "it can fall without end and learns no probabilities",
            "Use cross_entropy on the raw logits, or `F.log_softmax(…, dim=1)` in front of nll_loss.",
            evidence=_evidence(tail),
        )  # fmt: skip


@rule("kl_div_of_probabilities", WARNING)
def kl_div_of_probabilities(reading: Reading) -> Iterator[Place]:
    """Probabilities as the first argument of kl_div, which wants log-probabilities."""
    for call, source, tail in _judge(reading, KL, SOFTMAX, SIGMOID, LINEAR, CONV):
        what = "raw logits" if tail.kind in (LINEAR, CONV) else "probabilities"
        yield Place(
            call, source,
            f"kl_div wants log-probabilities as its first argument and gets {what} "
            f"({at(tail.node, tail.source, source)})",
            "Use log_softmax for the first argument; the second one are probabilities unless log_target=True.",
            evidence=_evidence(tail),
        )  # fmt: skip


@rule("softmax_over_batch", WARNING)
def softmax_over_batch(reading: Reading) -> Iterator[Place]:
    """A model's output normalised over the batch instead of the classes."""
    for _, call, source in loss_calls(reading):
        given = prediction(call)
        if given is None:
            continue
        for tail in reading.outputs.tails(given, source):
            if (
                tail.kind in (SOFTMAX, LOG_SOFTMAX)
                and isinstance(tail.node, ast.Call)
                and _first_dim(tail.node, reading, tail)
            ):
                yield Place(
                    tail.node, tail.source,
                    f"this {tail.kind} runs over dimension 0, the batch: the samples of a batch share one probability",
                    "Normalise over the classes: `dim=1` (or `dim=-1`).", evidence={"loss": at(call, source)},
                )  # fmt: skip


def _first_dim(call: ast.Call, reading: Reading, tail: Tail) -> bool:
    """Whether `dim` is a plain 0."""
    library = reading.resolver.library(call.func, tail.source)
    is_layer = library.rpartition(".")[2][:1].isupper()
    is_method = not library
    dim = argument(call, 0 if is_layer or is_method else 1, "dim")
    return isinstance(dim, ast.Constant) and dim.value == 0 and type(dim.value) is int


@rule("log_of_probability", HINT)
def log_of_probability(reading: Reading) -> Iterator[Place]:
    """The logarithm of a softmax or sigmoid, which can be exactly 0."""
    for source, call in reading.project.calls("log"):
        library = reading.resolver.library(call.func, source)
        given = call.args[0] if library == "torch.log" and call.args else None
        if not library and isinstance(call.func, ast.Attribute) and not call.args:
            given = call.func.value
        if isinstance(given, ast.BinOp) and isinstance(given.op, ast.Sub) and isinstance(given.left, ast.Constant):
            given = given.right
        tail = reading.outputs.only(given, source, SOFTMAX, SIGMOID) if given is not None else None
        if tail is not None:
            better = "log_softmax" if tail.kind == SOFTMAX else "logsigmoid, or BCEWithLogitsLoss on the raw output"
            yield Place(
                call, source,
                f"the {tail.kind} of {at(tail.node, tail.source, source)} rounds to exactly 0 or 1 for large "
                "inputs; its "
                "logarithm is then -inf and the loss nan",
                f"Use {better}.", evidence=_evidence(tail),
            )  # fmt: skip


_SQUARES = frozenset(
    {"MSELoss", "mse_loss", "L1Loss", "l1_loss", "SmoothL1Loss", "smooth_l1_loss", "HuberLoss", "huber_loss"}
)
_SHAPES = (
    "squeeze", "unsqueeze", "view", "reshape", "flatten", "ravel", "keepdim", "view_as", "newaxis", "expand_dims",
    "squeeze_", "unsqueeze_",
)  # fmt: skip


@rule("loss_broadcast", HINT)
def loss_broadcast(reading: Reading) -> Iterator[Place]:
    """A prediction of shape (N, 1) and, perhaps, a target of shape (N,)."""
    if reading.project.mentions(*_SHAPES) or _shapes_by_hand(reading):
        return
    for call, source, tail in _judge(reading, _SQUARES, LINEAR):
        size = argument(tail.node, 1, "out_features") if isinstance(tail.node, ast.Call) else None
        given = target(call)
        if whole(size, tail.source, reading.resolver) == 1 and isinstance(given, ast.Name):
            yield Place(
                call, source,
                f"the prediction has shape (N, 1) ({at(tail.node, tail.source, source)}); should {given.id} have "
                "shape (N,), "
                "the loss compares each prediction with every target",
                f"Check the shapes; if they differ, write `{given.id}.unsqueeze(1)`.", evidence=_evidence(tail),
            )  # fmt: skip


def _shapes_by_hand(reading: Reading) -> bool:
    """`y[:, None]`, `sum(1, keepdim=True)`, `torch.randn(n, 1)`: somebody thought of the shape."""
    for source in reading.project.sources:
        if "None]" in source.text or "keepdim" in source.text:
            return True
        for name in ("randn", "rand", "zeros", "ones", "empty"):
            for call in source.calls.get(name, ()):
                if call.args and isinstance(call.args[-1], ast.Constant) and call.args[-1].value == 1:
                    return True
    return False
