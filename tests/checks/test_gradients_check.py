from __future__ import annotations

import math

from tests.builders import Story, told

LAYERS = {"fc1.weight": [16, 8], "fc1.bias": [16], "fc2.weight": [4, 16], "fc2.bias": [4]}


def story() -> Story:
    return Story().model(LAYERS).optimizer().series()


def sampled(count: int, norm: object, **more: object) -> Story:
    run = story()
    for step in range(count):
        run.sample(step, norm, **more)  # type: ignore[arg-type]
    return run.losses([1.0 - 0.01 * step for step in range(count)])


def test_healthy_gradients() -> None:
    assert sampled(20, 0.1).ids() == []


# ---------------------------------------------------------------- none


def test_a_part_without_gradients() -> None:
    finding = told(sampled(5, {"fc1.weight": None, "fc1.bias": None}), "grads.none")
    assert "2 of 4" in finding.title and "5 of 5" in finding.title and finding.title.endswith("fc1")
    assert finding.severity == "warning", "most of the model"


def test_a_small_unused_head_is_a_hint() -> None:
    assert told(sampled(5, {"fc2.bias": None}), "grads.none").severity == "hint"


def test_nothing_at_all_is_an_error_after_three_samples() -> None:
    assert told(sampled(3, None), "grads.none").severity == "error"


def test_parts_that_are_reached_at_some_step_are_conditional() -> None:
    run = sampled(5, {"fc1.weight": None, "fc1.bias": None})
    assert run.sample(5, 0.1).losses([0.9]).ids() == []
    reached = sampled(5, {"fc1.weight": None, "fc1.bias": None})
    assert reached.graph([("MseLossBackward0", [], {})], reached=["fc1.weight", "fc1.bias"], step=3).ids() == []


def test_frozen_parameters_need_none() -> None:
    run = Story().model(LAYERS, frozen=["fc1.weight", "fc1.bias"]).optimizer(["fc2.weight", "fc2.bias"]).series()
    for step in range(8):
        run.sample(step, {"fc1.weight": None, "fc1.bias": None})
    assert run.losses([1.0 - 0.01 * i for i in range(8)]).ids() == []


# ---------------------------------------------------------------- zero


def test_dead_layers() -> None:
    finding = told(sampled(5, {"fc1.weight": 0.0, "fc1.bias": 0.0}), "grads.zero")
    assert finding.title == "gradients of fc1 are zero at 5 of 5 sampled steps" and finding.severity == "warning"


def test_everything_zero() -> None:
    assert told(sampled(3, 0.0), "grads.zero").severity == "error"


def test_zero_at_first_as_behind_a_zero_initialised_layer() -> None:
    run = story().sample(0, {"fc1.weight": 0.0, "fc1.bias": 0.0})
    for step in range(1, 6):
        run.sample(step, 0.1)
    assert run.losses([1.0 - 0.01 * i for i in range(6)]).ids() == []


def test_a_perfect_fit_has_nothing_left_to_learn() -> None:
    run = story()
    for step in range(6):
        run.sample(step, 0.0)
    assert run.losses([0.0] * 6).ids() == []


def test_a_zero_bias_alone_is_no_news() -> None:
    assert sampled(9, {"fc1.bias": 0.0}).ids() == []


# ---------------------------------------------------------------- not finite


def test_gradients_that_are_not_numbers() -> None:
    bad = {"fc1.weight": 7}
    run = story().sample(0)
    for step in (1, 2, 3):
        run.sample(step, {"fc1.weight": math.nan}, nonfinite=bad)
    finding = told(run.losses([1.0] * 4), "grads.nonfinite")
    assert finding.step == 1 and "1 of 4" in finding.title and finding.evidence["parameters"] == {"fc1.weight": 7}


def test_one_bad_step_that_the_scaler_throws_away() -> None:
    run = story().sample(0)
    run.sample(1, {"fc1.weight": math.inf}, nonfinite={"fc1.weight": 1}).sample(2).sample(3)
    assert run.losses([1.0 - 0.01 * i for i in range(4)]).ids() == []


def test_weights_that_took_it_on_are_poisoned_at_once() -> None:
    run = story().sample(0).sample(1, math.nan, nonfinite=dict.fromkeys(LAYERS, 1), update=math.nan)
    assert run.losses([1.0, 1.0]).ids() == ["grads.nonfinite"]


def test_a_loss_that_was_bad_before_is_the_cause() -> None:
    run = story().sample(0).sample(1, math.nan, nonfinite=dict.fromkeys(LAYERS, 1), update=math.nan)
    assert run.losses([1.0, math.nan]).ids() == ["loss.nonfinite"]


# ---------------------------------------------------------------- vanishing


def test_a_first_layer_that_gets_nothing_and_stands_still() -> None:
    tiny = {"fc1.weight": 1e-8, "fc1.bias": 1e-8}
    finding = told(
        sampled(6, tiny, update={"fc1.weight": 1e-9, "fc1.bias": 1e-9, "fc2.weight": 1e-3}), "grads.vanishing"
    )
    assert "fc1" in finding.title and finding.severity == "warning"


def test_adam_lifts_small_gradients() -> None:
    assert sampled(9, {"fc1.weight": 1e-8, "fc1.bias": 1e-8}, update=1e-3).ids() == []


def test_a_learning_rate_of_zero_is_not_vanishing() -> None:
    assert sampled(9, {"fc1.weight": 1e-8, "fc1.bias": 1e-8}, update=0.0).ids() == []


def test_layers_of_unequal_strength_are_usual() -> None:
    assert sampled(9, {"fc1.weight": 1e-4, "fc1.bias": 1e-4}, update={"fc1.weight": 1e-6}).ids() == []


# ---------------------------------------------------------------- exploding


def growing(factor: float, losses: list[float], count: int = 8) -> Story:
    run = story()
    for step in range(count):
        run.sample(step, 0.1 * factor**step)
    return run.losses(losses)


def test_gradients_that_grow_from_step_to_step_while_the_loss_rises() -> None:
    finding = told(growing(20.0, [1.0, 1.0, 3.0, 9.0, 27.0, 81.0, 243.0, 900.0]), "grads.exploding")
    assert finding.severity == "error" and finding.where is not None


def test_growth_is_harmless_while_the_loss_falls() -> None:
    assert growing(20.0, [1.0 - 0.1 * i for i in range(8)]).ids() == []


def test_a_single_spike_is_not_an_explosion() -> None:
    run = story()
    for step in range(12):
        run.sample(step, 1e4 if step == 6 else 0.1)
    assert run.losses([1.0] * 6 + [5.0] + [1.0] * 5).ids() == []
