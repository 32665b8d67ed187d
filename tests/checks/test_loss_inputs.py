from __future__ import annotations

from typing import Any

import pytest

from dlmon_probes import events
from tests.builders import Story, tensor, told
from tests.checks.test_loss_form import LINEAR, chain, nll, story

BCE = "BinaryCrossEntropyWithLogitsBackward0"


def bce(op: str, low: float, high: float) -> events.LossFacts:
    return events.LossFacts(op=op, reduction=1, target=tensor([8, 1], min=low, max=high))


@pytest.mark.parametrize(("low", "high"), [(0, 255), (-1, 1), (1, 2)])
def test_targets_of_binary_cross_entropy_lie_between_0_and_1(low: float, high: float) -> None:
    run = story().graph([(BCE, [1], {}), LINEAR], losses=[bce(BCE, low, high)])
    finding = told(run, "loss.target_range")
    assert finding.severity == "error" and f"{high:.3g}" in finding.title


@pytest.mark.parametrize(("low", "high"), [(0, 1), (0.05, 0.95), (0, 1.0005)])
def test_soft_and_rounded_targets_are_fine(low: float, high: float) -> None:
    assert story().graph([(BCE, [1], {}), LINEAR], losses=[bce(BCE, low, high)]).ids() == []


def kl(made_by: str, value: float) -> Story:
    ops = ("MulBackward0", "DivBackward0", "SumBackward0", "SubBackward0", "MulBackward0", made_by, "AddmmBackward0")
    return story().graph(chain(*ops), value=value)


def test_kl_div_of_probabilities() -> None:
    assert "log-probabilities" in told(kl("SoftmaxBackward0", -1.7), "loss.target_range").title
    assert kl("LogSoftmaxBackward0", 0.4).ids() == []
    assert kl("SoftmaxBackward0", 0.4).ids() == []  # a divergence is never negative: this is something else


def softmax(dim: int, shape: list[int], between: str = "") -> Story:
    nodes: list[Any] = [("NllLossBackward0", [1], {})]
    if between:
        nodes.append((between, [2], {}))
    nodes += [("LogSoftmaxBackward0", [len(nodes) + 1], {"dim": dim, "result": shape}), LINEAR]
    return story().graph(nodes, losses=[nll(prediction=tensor(shape, max=-0.1), spread=3.0)])


def test_softmax_over_the_batch() -> None:
    assert "56 samples" in told(softmax(0, [56, 7]), "loss.softmax_dim").title
    assert "loss.softmax_dim" in softmax(-2, [56, 7]).ids()
    assert softmax(1, [56, 7]).ids() == []
    assert softmax(0, [7, 7], between="TBackward0").ids() == []  # classes were first, and were turned


@pytest.mark.parametrize(("gradient_to", "found"), [([1], True), ([0], False), ([0, 1], False)])
def test_arguments_of_binary_cross_entropy(gradient_to: list[int], found: bool) -> None:
    op = "BinaryCrossEntropyBackward0"
    nodes = [(op, [1], {"gradient_to": gradient_to}), ("SigmoidBackward0", [2], {}), LINEAR]
    run = story().graph(nodes, losses=[bce(op, 0.2, 0.8)])
    assert ("loss.arguments_swapped" in run.ids()) is found


def test_raw_scores_in_nll_loss() -> None:
    def run(op: str, high: float) -> Story:
        return story().graph(
            [("NllLossBackward0", [1], {}), (op, [], {})], losses=[nll(prediction=tensor([8, 10], max=high))]
        )

    assert "raw scores" in told(run("AddmmBackward0", 0.7), "loss.softmax_before_ce").title
    assert run("LogSoftmaxBackward0", -0.1).ids() == []
    assert run("LogBackward0", 0.5).ids() == []  # a density may be above 1


def test_logits_in_bceloss_are_named_at_the_users_line() -> None:
    run = story().crash("RuntimeError", "all elements of input should be between 0 and 1", line=31)
    finding = told(run, "loss.sigmoid_before_bce_logits")
    assert finding.where is not None and finding.where.line == 31
    assert "crash.other" not in run.ids()
