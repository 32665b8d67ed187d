from __future__ import annotations

from collections.abc import Sequence

import pytest

from dlmon_probes import events
from tests.builders import Story, told

ID = "loss.sign"
CROSS_ENTROPY = [("NllLossBackward0", [2], {}), ("LogSoftmaxBackward0", [3], {}), ("AddmmBackward0", [], {})]
Node = tuple[str, Sequence[int], dict[str, object]]


def run(nodes: Sequence[Node], value: float, losses: Sequence[float] = (), *, op: str = "", **facts: object) -> Story:
    made = Story().model({"fc.weight": [4, 4]}).optimizer().series()
    kept = [events.LossFacts(op, target=events.TensorFacts([8], "float32", min=0.0, max=1.0))] if op else []
    ops = {name: 1 for name, _, _ in nodes}
    for step in (0, 1):
        made.graph(nodes, value=value, step=step, losses=kept, ops=ops)
    return made.losses(list(losses) or [value, value])


def negated(*rest: Node) -> list[Node]:
    return [("NegBackward0", [1], {}), *rest]


def test_a_negated_cross_entropy_is_named_and_gets_worse() -> None:
    early = told(run(negated(*CROSS_ENTROPY), -1.4), ID)
    assert early.severity == "warning" and "negative of cross-entropy" in early.title
    falling = [-1.4 - 0.2 * i for i in range(30)]
    worse = told(run(negated(*CROSS_ENTROPY), -1.4, falling), ID)
    assert worse.severity == "error" and "worse" in worse.title


def test_log_probabilities_without_a_minus() -> None:
    chain = [("MeanBackward0", [1], {}), ("GatherBackward0", [2], {}), ("LogSoftmaxBackward0", [], {})]
    assert "without its minus sign" in told(run(chain, -1.1), ID).title


@pytest.mark.parametrize(
    ("nodes", "value"),
    [
        (CROSS_ENTROPY, 1.4),
        (negated(("NllLossBackward0", [2], {}), ("SigmoidBackward0", [], {})), -0.5),  # of probabilities: another fault
        (negated(("MeanBackward0", [2], {}), ("CosineSimilarityBackward0", [], {})), -0.5),
        # advantages times log-probabilities, and a sum of two terms
        (
            [
                ("MeanBackward0", [1], {}),
                ("MulBackward0", [2], {}),
                ("GatherBackward0", [3], {}),
                ("LogSoftmaxBackward0", [], {}),
            ],
            -0.5,
        ),
        ([("SubBackward0", [1, 2], {}), ("MseLossBackward0", [], {}), ("MseLossBackward0", [], {})], -0.5),
    ],
)
def test_losses_that_are_right_or_another_matter(nodes: list[Node], value: float) -> None:
    assert ID not in run(nodes, value).ids()


def test_two_losses_are_players() -> None:
    assert ID not in run(negated(*CROSS_ENTROPY), -1.4).series(1, "loss_d").ids()


def test_an_input_that_is_made_to_fool_a_model() -> None:
    made = Story()
    made.add(
        events.Model(
            t=made.now, root=0, cls="", parameters=[events.Parameter(0, "noise", [8], "float32", "cpu", True, 8, 0)]
        )
    )
    made._names["noise"] = 0
    made.optimizer().series().graph(negated(*CROSS_ENTROPY), value=-1.4).losses([-1.4])
    assert ID not in made.ids()


def maximising(nodes: Sequence[Node], value: float) -> Story:
    made = Story().model({"fc.weight": [4, 4]}).series()
    group = events.OptimizerGroup([0], {"lr": 0.1, "maximize": True})
    made.add(events.Optimizer(t=made.now, index=0, cls="Adam", groups=[group]))
    return made.graph(nodes, value=value).losses([value])


def test_an_optimizer_that_maximises_an_error() -> None:
    assert (
        "maximize=True" in told(maximising([("MseLossBackward0", [1], {}), ("AddmmBackward0", [], {})], 2.0), ID).title
    )
    assert ID not in maximising(negated(*CROSS_ENTROPY), -1.4).ids()  # twice turned round
    assert ID not in maximising([("MeanBackward0", [1], {}), ("MulBackward0", [], {})], 0.4).ids()  # a reward
