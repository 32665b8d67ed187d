from __future__ import annotations

import math
from typing import Any

from dlmon_probes import events
from dlmon_probes.events_model import Origin
from tests.builders import Story, named, tensor, told

LAYERS = {"fc1.weight": [16, 8], "fc2.weight": [4, 16]}


def story() -> Story:
    return Story().model(LAYERS).optimizer(lr=1.0).series(line=34)


# ---------------------------------------------------------------- not finite


def test_a_loss_that_became_nan() -> None:
    finding = told(story().losses([0.7, 0.6, math.nan, math.nan]), "loss.nonfinite")
    assert (
        finding.severity == "error" and finding.step == 2 and finding.title == "loss is NaN since step 2 (before: 0.6)"
    )
    assert finding.where is not None and finding.where.line == 34


def test_an_episode_that_passed_is_a_warning() -> None:
    finding = told(story().losses([0.7, math.inf] + [0.5] * 30), "loss.nonfinite")
    assert finding.severity == "warning" and "infinite at 1 steps" in finding.title


def test_finite_losses_and_steps_without_one() -> None:
    assert story().losses([0.7, None, -3.0, 1e30, 0.0]).ids() == []


def test_a_metric_that_is_nan_is_the_scripts_own_business() -> None:
    run = story().losses([0.7, 0.6])
    rows = [events.ScalarRow("f1", math.nan)]
    assert run.add(events.Scalars(t=run.now, source="tensorboard", at=1, rows=rows)).ids() == []


# ---------------------------------------------------------------- the first loss


def first(value: float, op: str = "NllLossBackward0", root: str = "", step: int = 0, **facts: Any) -> Story:
    loss = events.LossFacts(op=op, **{"classes": 10, "reduction": 1, **facts})
    nodes = [(root, [1], {})] * bool(root) + [(op, [], {})]
    return story().graph(nodes, value=value, losses=[loss], step=step).losses([value])


def test_a_first_loss_far_above_ln_c() -> None:
    finding = told(first(9.0), "loss.initial_value")
    assert finding.severity == "hint" and "ln 10 = 2.303" in finding.title
    assert told(first(80.0), "loss.initial_value").severity == "warning"


def test_first_losses_that_are_as_they_should_be_or_better() -> None:
    for value in (2.31, 3.4, 5.0, 0.2):
        assert first(value).ids() == [], value


def test_no_expectation_where_the_value_is_made_of_more() -> None:
    assert first(70.0, reduction=2).ids() == []
    assert first(70.0, weighted=True).ids() == []
    assert first(70.0, root="AddBackward0").ids() == []
    assert first(70.0, root="DivBackward0").ids() == []
    assert first(70.0, step=2).ids() == []


def test_regression_and_binary_losses() -> None:
    target = tensor([32, 1], mean=0.0, std=1.0)
    assert told(first(50.0, "MseLossBackward0", classes=None, target=target), "loss.initial_value").severity == "hint"
    assert first(3.0, "MseLossBackward0", classes=None, target=target).ids() == []
    assert first(0.9, "BinaryCrossEntropyWithLogitsBackward0", classes=None).ids() == []
    assert first(8.0, "BinaryCrossEntropyWithLogitsBackward0", classes=None).ids() == ["loss.initial_value"]


# ---------------------------------------------------------------- the learning rate


def updating(ratio: float, losses: list[float], count: int) -> Story:
    run = story()
    for step in range(count):
        run.sample(step, 0.1, update=ratio)
    return run.losses(losses)


def test_a_rate_that_throws_the_weights_about_at_once() -> None:
    finding = told(updating(0.8, [1.1, 940.0, 380.0, 37.0] + [1.05] * 40, 3), "loop.lr_extreme")
    assert "lr 1" in finding.title and "80%" in finding.title
    assert finding.where is not None and finding.where.line == 5


def test_a_rate_that_is_too_high_for_the_loss_to_fall() -> None:
    assert told(updating(0.2, [1.0] * 25, 20), "loop.lr_extreme").severity == "warning"


def test_large_steps_that_learn_are_fine() -> None:
    assert updating(0.2, [1.0 / (i + 1) for i in range(25)], 20).ids() == []


def test_small_weights_move_much_at_first() -> None:
    assert updating(5.0, [1.0, 0.9, 0.8, 0.7], 3).ids() == []
    assert updating(math.inf, [1.0, 50.0, 60.0, 70.0], 3).ids() == [], "zero-initialised layers have no ratio"


def test_usual_steps_on_a_loss_that_stays() -> None:
    assert updating(1e-3, [1.0] * 40, 30).ids() == []


def test_opposing_losses_need_not_fall() -> None:
    run = updating(0.2, [1.0] * 25, 20).series(1, "loss_G")
    run.step = 0
    assert run.losses([2.0] * 25, series=1).ids() == []


def test_the_samples_of_a_batch_that_holds_nan() -> None:
    story = Story().series().losses([1.0, math.nan])
    broken = [named("[0]", [16, 6], nonfinite=0.02)]
    story.add(events.Batch(story.now, 1, 0, broken))
    story.add(Origin(story.now, 1, 0, math.nan, "input", "AddmmBackward0", loader=0, indices=[77], broken=True))
    finding = told(story, "data.nan")
    assert finding.title.endswith(": sample 77 of the data set") and finding.evidence["samples"] == [77]


def test_weights_that_a_later_forward_found_broken_are_no_origin() -> None:
    story = Story().model({"w": [4, 4]}).series().losses([1.0, math.inf, math.nan])
    story.add(Origin(story.now, 2, 0, math.nan, "weights", weights=[named("w", [4, 4])], bad=1))
    finding = told(story, "loss.nonfinite")
    assert "not finite before" not in finding.title and "origin" not in finding.evidence
    story.add(Origin(story.now, 1, 0, math.inf, "op", "MseLossBackward0", loader=0, indices=[3, 4]))
    finding = told(story, "loss.nonfinite")
    assert "it began at mse_loss" in finding.title and finding.evidence["batch_samples"] == [3, 4]
