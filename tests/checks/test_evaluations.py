from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from dlmon_probes import events, events_loop
from tests.builders import START, Story, at, told

SHAPES = {"fc1.weight": [32, 12], "fc2.weight": [4, 32]}


def story() -> Story:
    return Story().model(SHAPES).optimizer().series()


def passed(step: int, loss: float | None = 1.0, **facts: Any) -> events.Evaluation:
    return events.Evaluation(
        t=START + 1 + step * 0.1,
        step=step,
        batches=4,
        samples=64,
        seconds=0.1,
        loader=1,
        loss=loss,
        where=at(40),
        **facts,
    )


def test_dropout_on_in_an_evaluation() -> None:
    run = story().losses([1.0] * 20).add(passed(10, dropout_on=2, forwards=4))
    finding = told(run, "loop.train_mode_in_eval")
    assert finding.severity == "warning" and finding.where == at(40) and "2 dropout" in finding.title


@pytest.mark.parametrize("facts", [{"root_training": False, "forwards": 4}, {"root_training": True, "forwards": 40}])
def test_monte_carlo_dropout_is_a_hint(facts: dict[str, Any]) -> None:
    run = story().losses([1.0] * 20).add(passed(10, dropout_on=2, **facts))
    assert told(run, "loop.train_mode_in_eval").severity == "hint"


def test_a_pass_that_measures_nothing_is_no_evaluation() -> None:
    run = story().losses([1.0] * 20).add(passed(10, None, norm_on=3, grad_enabled=True))
    assert not {"loop.train_mode_in_eval", "loop.grad_in_eval"} & set(run.ids())


def test_gradients_in_an_evaluation() -> None:
    assert told(story().losses([1.0] * 9).add(passed(5, grad_enabled=True)), "loop.grad_in_eval").severity == "hint"
    large = Story().model({"fc.weight": [2000, 1000]}).optimizer().series().losses([1.0] * 9)
    large.add(passed(5, grad_enabled=True), passed(8, grad_enabled=True))
    assert told(large, "loop.grad_in_eval").severity == "warning"


def curve(train: Sequence[float], evaluated: Sequence[float], **facts: Any) -> Story:
    run, each = story(), len(train) // len(evaluated)
    for i, loss in enumerate(evaluated):
        run.losses(train[i * each : (i + 1) * each]).add(passed((i + 1) * each, loss, **facts))
    return run


FALLING = [1.4 * 0.98**i for i in range(120)]


def test_overfitting() -> None:
    finding = told(curve(FALLING, [1.3, 1.1, 1.2, 1.4, 1.6, 1.9]), "eval.overfitting")
    assert finding.severity == "hint" and finding.step == 40
    assert "eval.overfitting" not in curve(FALLING, [1.3, 1.1, 1.0, 0.9, 0.85, 0.84]).ids()
    assert "eval.overfitting" not in curve([1.4] * 120, [1.3, 1.1, 1.2, 1.4, 1.6, 1.9]).ids()  # both get worse


def test_evaluations_that_are_too_good() -> None:
    evaluated = [0.5 * FALLING[20 * i + 19] for i in range(6)]
    assert told(curve(FALLING, evaluated), "eval.leak_suspected").severity == "hint"
    dropout = events.Modes(t=START + 1, step=0, root_training=True, modules=[events.Mode("drop", "Dropout", True, 0.5)])
    assert "eval.leak_suspected" not in curve(FALLING, evaluated).add(dropout).ids()
    assert "eval.leak_suspected" not in curve(FALLING, [0.95 * FALLING[20 * i + 19] for i in range(6)]).ids()


@pytest.mark.parametrize(("seed", "named"), [(42, False), (2**32 - 1, False), (3_124_187_236_811_111, True)])
def test_seeds(seed: int, named: bool) -> None:
    run = story().losses([1.0] * 3).add(events_loop.Beginning(t=START + 1, step=0, seed=seed))
    assert ("repro.no_seed" in run.ids()) is named


def test_a_frozen_head_that_looks_new() -> None:
    def told_of(rms: float, largest: float, body_fresh: bool) -> list[str]:
        run = Story().model(SHAPES | {"fc0.weight": [12, 12]}, frozen=["fc0.weight"])
        parameters = [events.Parameter(0, "body.weight", [32, 12], "float32", "cpu", True, 384, 0),
                      events.Parameter(1, "low.weight", [12, 12], "float32", "cpu", False, 144),
                      events.Parameter(2, "fc.weight", [4, 32], "float32", "cpu", False, 128)]  # fmt: skip
        run.events[-1] = events.Model(
            t=START, root=0, cls="Net", parameters=[parameters[1], parameters[0], parameters[2]]
        )
        run.optimizer(["fc1.weight"]).series().losses([1.0] * 4)
        loss = events.LossFacts("NllLossBackward0", classes=4)
        run.graph([("NllLossBackward0", [], {})], losses=[loss], reached=["fc1.weight"])
        low = (1 / 36**0.5, 0.99 / 12**0.5) if body_fresh else (0.5, 1.4)
        run.add(events_loop.FrozenWeights(START + 1, 0, [1, 2], [low[0], rms], [low[1], largest]))
        return run.ids()

    fresh = (1 / 96**0.5, 0.99 / 32**0.5)
    assert "loop.head_frozen" in told_of(*fresh, body_fresh=False)
    assert "loop.head_frozen" not in told_of(*fresh, body_fresh=True)  # a sketch of a pretrained model
    assert "loop.head_frozen" not in told_of(0.3, 0.9, body_fresh=False)  # something was loaded into it


def test_parameters_that_stand_still() -> None:
    def run(update: float, lr: float = 0.1, steps: int = 30) -> Story:
        found = Story().model(SHAPES).optimizer(lr=lr).series().losses([1.0 - i / 60 for i in range(steps)])
        for step in (0, 1, 2, 5, 10, 20, 25)[: 7 if steps > 20 else 5]:
            found.sample(step, 0.1, update={"fc1.weight": update, "fc2.weight": 1e-3})
        return found

    assert told(run(0.0), "loop.params_frozen_unintended").severity == "warning"
    assert "loop.params_frozen_unintended" not in run(1e-6).ids()
    assert "loop.params_frozen_unintended" not in run(0.0, steps=15).ids()  # a warm-up


def test_one_network_in_two_optimizers() -> None:
    def run(second: list[str]) -> Story:
        found = Story().model(SHAPES).optimizer(["fc1.weight"]).optimizer(second, index=1, line=6)
        found.series().losses([1.0] * 12).graph([("X", [], {})], reached=["fc1.weight", "fc2.weight"])
        for step in (0, 1, 2):
            found.sample(step, names=["fc1.weight"]).sample(step, names=second, optimizer=1)
        return found

    assert told(run(["fc1.weight"]), "loop.wrong_params").severity == "error"
    assert "loop.params_not_in_optimizer" not in run(["fc1.weight"]).ids()
    assert "loop.wrong_params" not in run(["fc1.weight", "fc2.weight"]).ids()
