from __future__ import annotations

from typing import Any

import pytest

from dlmon_probes import events
from tests.builders import Story, tensor, told

LINEAR = ("AddmmBackward0", [], {"mat1_sym_sizes": [8, 4], "mat2_sym_sizes": [4, 1]})


def story() -> Story:
    return Story().model({"w": [4, 8]}).optimizer().series(line=33)


def nll(**facts: Any) -> events.LossFacts:
    return events.LossFacts(op="NllLossBackward0", classes=10, reduction=1, **facts)


def chain(*ops: str) -> list[Any]:
    return [(op, [i + 1] if i + 1 < len(ops) else [], {}) for i, op in enumerate(ops)]


@pytest.mark.parametrize("views", [(), ("ViewBackward0",), ("ToCopyBackward0", "TransposeBackward0")])
def test_softmax_in_front_of_cross_entropy(views: tuple[str, ...]) -> None:
    ops = ("NllLossBackward0", "LogSoftmaxBackward0", *views, "SoftmaxBackward0", "AddmmBackward0")
    finding = told(story().graph(chain(*ops), value=2.3, losses=[nll(spread=0.15)]), "loss.softmax_before_ce")
    assert finding.severity == "error" and finding.where is not None and finding.where.line == 33
    assert "0.15" in finding.title


def written_by_hand(below_the_sum: int) -> list[Any]:
    return [
        ("NllLossBackward0", [1], {}),
        ("LogSoftmaxBackward0", [2], {}),
        ("DivBackward0", [3, 4], {}),
        ("ExpBackward0", [5], {}),
        ("SumBackward1", [below_the_sum], {}),
        LINEAR,
    ]


def test_a_softmax_written_by_hand() -> None:
    run = story().graph(written_by_hand(3), value=2.3, losses=[nll(spread=0.15)])
    assert told(run, "loss.softmax_before_ce").severity == "error"
    assert story().graph(written_by_hand(3), losses=[nll(spread=4.0)]).ids() == []
    assert story().graph(written_by_hand(5), losses=[nll(spread=0.15)]).ids() == []


def test_clamped_probabilities_are_probabilities() -> None:
    ops = ("NllLossBackward0", "LogSoftmaxBackward0", "ClampBackward1", "SoftmaxBackward0")
    told(story().graph(chain(*ops), losses=[nll(spread=0.15)]), "loss.softmax_before_ce")
    ops = ("BinaryCrossEntropyWithLogitsBackward0", "ClampBackward1", "SigmoidBackward0")
    loss = events.LossFacts(op=ops[0], reduction=1, input_min=0.3, input_max=0.7)
    told(story().graph(chain(*ops), losses=[loss]), "loss.sigmoid_before_bce_logits")


def test_probabilities_in_nll_loss() -> None:
    run = story().graph(chain("NllLossBackward0", "SoftmaxBackward0"), losses=[nll()])
    assert "nll_loss gets probabilities" in told(run, "loss.softmax_before_ce").title


def test_cross_entropy_as_it_should_be() -> None:
    ops = ("NllLossBackward0", "LogSoftmaxBackward0", "AddmmBackward0", "SoftmaxBackward0")
    assert story().graph(chain(*ops), value=2.3, losses=[nll(spread=3.0)]).ids() == []
    assert story().graph(chain("NllLossBackward0", "LogSoftmaxBackward0"), losses=[nll(spread=0.1)]).ids() == []


def test_a_softmax_over_another_dimension_has_other_values() -> None:
    ops = ("NllLossBackward0", "LogSoftmaxBackward0", "ViewBackward0", "SoftmaxBackward0")
    assert story().graph(chain(*ops), losses=[nll(spread=4.0)]).ids() == []


def test_one_of_two_losses_is_named_by_its_own_values() -> None:
    nodes = [
        ("AddBackward0", [1, 2], {}),
        ("NllLossBackward0", [3], {}),
        ("NllLossBackward0", [4], {}),
        ("LogSoftmaxBackward0", [5], {}),
        ("LogSoftmaxBackward0", [6], {}),
        ("AddmmBackward0", [], {}),
        ("SoftmaxBackward0", [], {}),
    ]
    both = [nll(spread=5.0), nll(spread=0.3)]
    assert told(story().graph(nodes, losses=both), "loss.softmax_before_ce").evidence["spread"] == 0.3


def bce(**facts: Any) -> events.LossFacts:
    return events.LossFacts(op="BinaryCrossEntropyWithLogitsBackward0", reduction=1, **facts)


def test_sigmoid_in_front_of_a_loss_with_its_own() -> None:
    ops = ("BinaryCrossEntropyWithLogitsBackward0", "SqueezeBackward1", "SigmoidBackward0", "AddmmBackward0")
    run = story().graph(chain(*ops), value=0.7, losses=[bce(input_min=0.2, input_max=0.8)])
    assert told(run, "loss.sigmoid_before_bce_logits").severity == "error"


def test_logits_without_sigmoid_and_sigmoid_with_plain_bce() -> None:
    logits = chain("BinaryCrossEntropyWithLogitsBackward0", "AddmmBackward0", "SigmoidBackward0")
    assert story().graph(logits, value=0.7, losses=[bce(input_min=-3.0, input_max=2.0)]).ids() == []
    plain = chain("BinaryCrossEntropyBackward0", "SigmoidBackward0")
    loss = events.LossFacts(op="BinaryCrossEntropyBackward0", reduction=1)
    assert story().graph(plain, value=0.7, losses=[loss]).ids() == []


def mse(shape: list[int]) -> events.LossFacts:
    return events.LossFacts(op="MseLossBackward0", prediction=tensor(shape), reduction=1)


@pytest.mark.parametrize("origin", [[8, 1], [8], [1, 8]])
def test_a_loss_over_all_pairs(origin: list[int]) -> None:
    nodes = [
        ("MseLossBackward0", [1], {"self": [8, 8]}),
        ("ExpandBackward0", [2], {"self_sym_sizes": origin}),
        LINEAR,
    ]
    finding = told(story().graph(nodes, losses=[mse([8, 8])]), "loss.broadcast")
    assert "8×8 pairs" in finding.title and finding.where is not None and finding.where.line == 33


def test_a_loss_over_all_pairs_written_by_hand() -> None:
    nodes = [
        ("MeanBackward0", [1], {"self_sym_sizes": [8, 8]}),
        ("PowBackward0", [2], {"self": [8, 8], "exponent": 2}),
        ("SubBackward0", [3], {"alpha": 1}),
        LINEAR,
    ]
    assert "(8, 1)" in told(story().graph(nodes), "loss.broadcast").title


def test_a_square_written_as_a_product() -> None:
    nodes = [
        ("MeanBackward0", [1], {}),
        ("MulBackward0", [2, 2], {"self": [8, 8], "other": [8, 8]}),
        ("SubBackward0", [3], {"alpha": 1}),
        LINEAR,
    ]
    assert "(8, 1)" in told(story().graph(nodes), "loss.broadcast").title
    masked = [nodes[0], ("MulBackward0", [2], {"self": [8, 8], "other": [8, 8]}), *nodes[2:]]
    assert story().graph(masked).ids() == []


def test_pairs_of_predictions_are_meant() -> None:
    nodes = [
        ("MeanBackward0", [1], {}),
        ("PowBackward0", [2], {"self": [8, 8], "exponent": 2}),
        ("SubBackward0", [3, 4], {"alpha": 1}),
        LINEAR,
        LINEAR,
    ]
    assert story().graph(nodes).ids() == []


def test_square_predictions_that_were_not_expanded() -> None:
    nodes = [("MseLossBackward0", [1], {"self": [8, 8]}), ("AddmmBackward0", [], {})]
    assert story().graph(nodes, losses=[mse([8, 8])]).ids() == []


def test_a_harmless_expansion() -> None:
    nodes = [("MseLossBackward0", [1], {"self": [8, 3]}), ("ExpandBackward0", [2], {"self_sym_sizes": [1, 3]}), LINEAR]
    assert story().graph(nodes, losses=[mse([8, 3])]).ids() == []
    single = [("MseLossBackward0", [1], {"self": [1, 1]}), ("ExpandBackward0", [2], {"self_sym_sizes": [1]}), LINEAR]
    assert story().graph(single, losses=[mse([1, 1])]).ids() == []
