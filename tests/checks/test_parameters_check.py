from __future__ import annotations

import pytest

from dlmon_probes import events
from tests.builders import Story, named, told

LAYERS = {"body.weight": [64, 64], "body.bias": [64], "head.weight": [4, 64]}


def story(held: list[str], reached: list[str], steps: int = 12) -> Story:
    run = Story().model(LAYERS, optimizer=None).series().optimizer(held)
    return run.graph([("NllLossBackward0", [], {})], value=1.0, reached=reached).losses([1.0] * steps)


def test_a_layer_that_was_added_after_the_optimizer() -> None:
    run = story(["body.weight", "body.bias"], ["body.weight", "body.bias", "head.weight"])
    finding = told(run, "loop.params_not_in_optimizer")
    assert finding.severity == "warning" and finding.title.endswith("head") and "1 of 3" in finding.title
    assert finding.where is not None and finding.where.line == 5


def test_nothing_held_is_reached() -> None:
    run = story(["body.weight", "body.bias"], ["head.weight"])
    assert told(run, "loop.params_not_in_optimizer").severity == "error"


def test_training_the_head_only_is_a_hint() -> None:
    run = story(["head.weight"], ["body.weight", "body.bias", "head.weight"])
    assert told(run, "loop.params_not_in_optimizer").severity == "hint"


def test_all_held() -> None:
    assert story(list(LAYERS), list(LAYERS)).ids() == []


def test_a_teacher_that_the_loss_does_not_reach() -> None:
    assert story(["body.weight", "body.bias"], ["body.weight", "body.bias"]).ids() == []


def test_a_second_optimizer_may_step_later() -> None:
    early = story(["body.weight", "body.bias"], list(LAYERS), steps=5)
    assert early.ids() == []
    assert early.optimizer(["head.weight"], index=1).losses([1.0] * 20).ids() == []


def test_a_head_that_was_replaced_so_that_no_known_model_is_left() -> None:
    run = Story().model({"optimizer0.0": [10, 128]}).series().optimizer()
    run.graph([("NllLossBackward0", [], {})], value=1.4, loose=2)
    for step in range(3):
        run.sample(step, None).order(step, [None], None, None, held=1, with_gradient=0)
    finding = told(run.losses([1.4] * 12), "loop.params_not_in_optimizer")
    assert finding.severity == "error" and run.ids() == ["loop.params_not_in_optimizer"]
    assert "reaches 2 tensors" in finding.title


def test_an_opaque_graph_is_not_judged() -> None:
    run = Story().model(LAYERS).series().optimizer().graph([("CompiledFunctionBackward", [], {})], value=1.0)
    assert run.losses([1.0] * 12).ids() == []


def batch(share: float) -> events.Batch:
    return events.Batch(t=1.7e9, step=3, loader=0, tensors=[named("['x']", [32, 4], nonfinite=share)])


@pytest.mark.parametrize(("losses", "severity"), [([1.0, 0.9], "warning"), ([1.0, float("nan")], "error")])
def test_missing_values_in_a_batch(losses: list[float], severity: str) -> None:
    finding = told(Story().series().add(batch(0.02)).losses(losses), "data.nan")
    assert finding.severity == severity and "2.000% of the batch's ['x']" in finding.title and finding.step == 3


def test_clean_batches() -> None:
    assert Story().series().add(batch(0.0)).losses([1.0, 0.9]).ids() == []
    assert Story().series().losses([1.0, 0.9]).ids() == []
