from __future__ import annotations

import math
import random

from dlmon_probes import events
from tests.builders import START, Story, tensor, told
from tests.checks.test_loss_form import LINEAR, story

CE = [("NllLossBackward0", [1], {}), ("LogSoftmaxBackward0", [2], {"dim": 1}), LINEAR]


def run(values: list[float], *, classes: int = 10, loader: int | None = 50, value: float = 2.3) -> Story:
    told_loss = events.LossFacts(op="NllLossBackward0", classes=classes, reduction=1, prediction=tensor([8, classes]))
    made = story().graph(CE, value=value, losses=[told_loss])
    if loader is not None:
        made.add(events.Loader(t=START, loader=0, dataset="TensorDataset", length=loader))
    return made.losses(values)


def noisy(means: list[float], share: float, seed: int = 0) -> list[float]:
    source = random.Random(seed)
    return [mean * (1 + share * source.gauss(0, 1)) for mean in means]


def test_a_loss_that_stays_at_chance() -> None:
    finding = told(run(noisy([math.log(10)] * 200, 0.03)), "loss.not_decreasing")
    assert finding.severity == "warning" and "ln 10" in finding.title


def test_slow_and_finished_learning_is_not_flat() -> None:
    slow = noisy([2.3 * (1 - 0.0006 * i) for i in range(300)], 0.05)
    assert run(slow).ids() == []
    finished = noisy([2.3 * 0.7**i + 0.1 for i in range(400)], 0.05)
    assert run(finished).ids() == []


def test_a_flat_loss_in_a_warm_up_or_beside_another_loss_says_nothing() -> None:
    flat = noisy([2.3] * 200, 0.02)
    warm = run([]).losses(flat, lr=[1e-5 * i for i in range(200)])
    assert warm.ids() == []
    two = run(flat).series(1, "loss_d").losses([0.5] * 10, series=1)
    assert two.ids() == []


def test_flat_without_a_known_chance_is_a_hint_and_only_late() -> None:
    flat = noisy([0.9] * 320, 0.02)
    assert told(run(flat), "loss.not_decreasing").severity == "hint"
    assert run(flat[:200]).ids() == []


def test_constant() -> None:
    assert told(run([0.5] * 60), "loss.constant").severity == "warning"
    assert run([0.0] * 60).ids() == []
    assert "loss.constant" not in run([0.5 + 1e-4 * i for i in range(60)]).ids()


def test_diverging() -> None:
    finding = told(run(noisy([1.02**i for i in range(200)], 0.1)), "loss.diverging")
    assert finding.severity == "warning"
    rewards = run(noisy([1.02**i for i in range(200)], 0.1), loader=None)
    assert told(rewards, "loss.diverging").severity == "hint"
    assert run(noisy([2.3 - 0.005 * i for i in range(200)], 0.3)).ids() == []


def test_oscillating_is_not_noise_and_not_two_batches() -> None:
    swing = [1.0 + 0.5 * (-1) ** i for i in range(100)]
    assert "loss.oscillating" in run(swing).ids()
    assert "loss.oscillating" not in run(swing, loader=2).ids()
    assert "loss.oscillating" not in run(noisy([1.0] * 100, 0.4)).ids()


def test_spike() -> None:
    values = noisy([1.0] * 120, 0.05)
    assert "loss.spike" not in run(values).ids()
    values[90] = 30.0
    assert "step 90" in told(run(values), "loss.spike").title
