"""Overfit: what passes, what fails, and everything that speaks for doubt."""

from __future__ import annotations

import math

import pytest

from dlmon.rehearsal.stages import Options
from dlmon.rehearsal.verdicts.overfit import judge
from dlmon_probes import events
from tests.builders import START, Story
from tests.rehearsal.runs import (
    LN3,
    classifier,
    decay,
    failed,
    floor,
    healthy_steps,
    note,
    passed,
    repeated,
    stage_run,
)


def overfitted(
    story: Story, *, floor_value: float | None = 0.0, how: str = "hard labels", reason: str = "steps"
) -> Story:
    """With what the stage tells: its floor, its data, and that it ended the script."""
    return note(repeated(floor(story, floor_value, how)), "end", reason, "300 steps")


def jumpy(start: float, steps: int, size: float) -> list[float]:
    return [start + size * math.sin(2.4 * step) for step in range(steps)]


def test_a_loss_at_its_floor_passes() -> None:
    report = judge(stage_run("overfit", overfitted(classifier(decay(LN3, 0.0, 61, 0.1)), reason="certain")))
    assert report.verdict == "pass"
    assert "1.10 → 2.4" in report.summary and "floor 0 (hard labels)" in report.summary
    assert "61 steps" in report.summary


def test_the_floor_counts_and_not_zero() -> None:
    """Label smoothing leaves 0.39 of the loss: 0.42 is within 5 % of the way, 0.55 is not."""
    near = judge(stage_run("overfit", overfitted(classifier(decay(LN3, 0.41, 300, 0.1)), floor_value=0.39)))
    assert near.verdict == "pass"
    far = judge(stage_run("overfit", overfitted(classifier(decay(LN3, 0.55, 300, 0.1)), floor_value=0.39)))
    assert far.verdict == "fail"


def test_accuracy_passes_where_the_loss_is_not_down_yet() -> None:
    story = overfitted(classifier(decay(LN3, 0.3, 300, 0.1), accuracy=[0.3, 0.6, 1.0, 1.0, 1.0, 1.0]))
    report = judge(stage_run("overfit", story))
    assert report.verdict == "pass" and "accuracy 100 %" in report.summary


def test_accuracy_of_the_commonest_class_is_no_learning() -> None:
    """99.7 % of the pixels are background: all background is right in 99.7 % of them."""
    labels = {"0": 997, "1": 3}
    story = classifier(decay(LN3, 0.9, 300, 0.1), accuracy=[0.997] * 6, labels=labels)
    assert judge(stage_run("overfit", overfitted(story))).verdict == "fail"


def test_a_stuck_loss_fails_with_curve_gradients_and_causes() -> None:
    story = overfitted(healthy_steps(classifier([LN3] * 300), range(0, 300, 10), update=1e-7))
    report = judge(stage_run("overfit", story))
    assert report.verdict == "fail"
    assert "wanted 0.0549" in report.summary
    evidence = report.evidence
    assert evidence["curves"]["loss"][0] == [0, pytest.approx(LN3)] and len(evidence["curves"]["loss"]) >= 300
    assert {row["name"] for row in evidence["gradients"]} == {"conv.weight", "conv.bias", "fc.weight", "fc.bias"}
    assert "learning rate is too small" in evidence["causes"][0]["cause"]
    assert "1.00e-7" in evidence["causes"][0]["cause"]
    assert report.next_step


def test_a_loss_that_grows_away_on_one_batch_is_not_failed_and_one_that_breaks_is() -> None:
    grown = [2.0 * 1.8**step for step in range(60)]
    away = judge(stage_run("overfit", overfitted(classifier([*grown, *[math.inf] * 5]), floor_value=None)))
    assert away.verdict == "inconclusive" and "overshoot" in away.summary
    assert not [finding for finding in away.findings if finding.id == "loss.nonfinite" and finding.severity == "error"]
    broken = judge(stage_run("overfit", overfitted(classifier([*decay(LN3, 0.5, 60, 0.1), *[math.nan] * 5]))))
    assert broken.verdict == "fail"


def test_a_script_that_only_evaluates_is_not_failed() -> None:
    """A saliency map calls backward, too: without an optimizer and with the same loss each time nothing trains."""
    story = overfitted(healthy_steps(classifier([LN3] * 300), range(0, 300, 10)))
    story.events[:] = [event for event in story.events if not isinstance(event, events.Optimizer)]
    report = judge(stage_run("overfit", story))
    assert report.verdict == "inconclusive" and "no optimizer was made" in report.summary


def test_findings_come_before_suspicions() -> None:
    story = overfitted(classifier([LN3] * 300))
    for step in range(0, 300, 10):
        story.sample(step, norm=0.0, update=0.0)
    report = judge(stage_run("overfit", story))
    assert report.verdict == "fail" and report.findings[0].id == "grads.zero"
    assert report.evidence["causes"][0]["finding"] == report.findings[0].id
    assert report.findings[0].title in report.summary


def test_still_falling_is_not_failed_and_says_how_many_steps() -> None:
    report = judge(stage_run("overfit", overfitted(classifier(decay(LN3, 0.0, 300, 0.004)))))
    assert report.verdict == "inconclusive"
    assert "still falling at step 300" in report.summary
    # 1.0986 · 0.996^n = 5 % of it at n = 748.
    assert "--overfit-steps 7" in report.next_step


def test_falling_so_slowly_that_it_would_take_forever_fails() -> None:
    report = judge(stage_run("overfit", overfitted(classifier(decay(LN3, 0.0, 300, 1e-5)))))
    assert report.verdict == "fail"


def test_tiny_steps_that_creep_are_not_failed() -> None:
    story = overfitted(healthy_steps(classifier(decay(LN3, 0.0, 300, 1e-5)), range(0, 300, 10), update=1e-7))
    report = judge(stage_run("overfit", story))
    assert report.verdict == "inconclusive" and "steps are too small" in report.summary


def test_a_loss_that_falls_too_slowly_to_wait_for_is_told_to_hurry() -> None:
    report = judge(stage_run("overfit", overfitted(classifier(decay(LN3, 0.0, 300, 5e-4)))))
    assert report.verdict == "inconclusive"
    assert "--overfit-steps" not in report.next_step and "learning rate" in report.next_step


def test_noise_without_a_trend_is_not_falling() -> None:
    report = judge(stage_run("overfit", overfitted(classifier(jumpy(LN3, 300, 0.3)))))
    assert report.verdict == "fail"
    assert any("jumps by" in cause["cause"] for cause in report.evidence["causes"])


@pytest.mark.parametrize("end", [0.05, 0.9])
def test_an_unknown_floor_decides_nothing(end: float) -> None:
    story = overfitted(classifier(decay(LN3, end, 300, 0.1)), floor_value=None, how="a term that is not known")
    report = judge(stage_run("overfit", story))
    assert report.verdict == "inconclusive"
    assert "a term that is not known" in report.summary


def test_a_loss_below_its_floor_shows_that_the_floor_is_wrong() -> None:
    report = judge(stage_run("overfit", overfitted(classifier(decay(LN3, 0.2, 300, 0.1)), floor_value=0.5)))
    assert report.verdict == "inconclusive" and "below 0.500" in report.summary


def test_several_losses_may_oppose_each_other() -> None:
    story = classifier([0.7] * 300).series(1, "loss_G", line=30)
    story.add(events.Steps(START + 40, 0, [1.0] * 300, [0.1] * 300, [0.0], [1e-3], [1], [32], {"1": [0.7] * 300}))
    report = judge(stage_run("overfit", overfitted(story)))
    assert report.verdict == "inconclusive"
    assert "2 losses" in report.summary and "loss_G" in report.summary


def test_a_batch_that_was_not_the_same_decides_nothing() -> None:
    story = note(repeated(floor(classifier([LN3] * 300)), looks=30, same=12), "end", "steps")
    report = judge(stage_run("overfit", story))
    assert report.verdict == "inconclusive" and "12 of 30 looks" in report.summary


def test_a_stray_batch_now_and_then_excuses_nothing() -> None:
    story = note(repeated(floor(classifier([LN3] * 300)), looks=598, same=592), "end", "steps")
    assert judge(stage_run("overfit", story)).verdict == "fail"


def test_a_replayed_batch_that_nobody_looked_at_decides_nothing() -> None:
    story = floor(classifier([LN3] * 300)).add(events.StageData(START, 0, "repeated", "replay"))
    report = judge(stage_run("overfit", note(story, "end", "steps")))
    assert report.verdict == "inconclusive"


def test_trouble_with_the_data_is_said() -> None:
    story = note(repeated(floor(classifier([LN3] * 300)), trouble="a generator"), "end", "steps")
    report = judge(stage_run("overfit", story))
    assert report.verdict == "inconclusive" and "a generator" in report.summary


def test_a_script_that_ended_by_itself_is_judged_by_what_is_there() -> None:
    story = repeated(floor(classifier([LN3] * 50))).exit(0)
    report = judge(stage_run("overfit", story))
    assert report.verdict == "inconclusive" and "after 50 of 300 steps" in report.summary
    assert report.exit_code == 0
    story = repeated(floor(classifier(decay(LN3, 0, 50, 0.2)))).exit(0)
    assert judge(stage_run("overfit", story)).verdict == "pass"


def test_the_budget_is_the_one_that_was_asked_for() -> None:
    story = repeated(floor(classifier([LN3] * 50))).exit(0)
    report = judge(stage_run("overfit", story, options=Options(overfit_steps=50)))
    assert report.verdict == "fail"


def test_a_loss_that_is_no_number_fails() -> None:
    story = overfitted(classifier([*decay(LN3, 0.5, 20, 0.1), *[math.nan] * 5]), reason="certain")
    report = judge(stage_run("overfit", story))
    assert report.verdict == "fail" and "NaN" in report.summary


def test_a_warm_up_that_the_stage_took_away_excuses_a_loss_that_left() -> None:
    story = classifier([*decay(LN3, 0.5, 20, 0.1), *[math.nan] * 5])
    note(story, "change", detail="Adam: learning rate of the script 0.01")
    smoke = passed("smoke", evidence={"first_lr": [1e-6, 2e-6]})
    report = judge(stage_run("overfit", overfitted(story, reason="certain"), earlier=[smoke]))
    assert report.verdict == "inconclusive" and "starts at 2e-6, held at 0.01" in report.summary
    constant = passed("smoke", evidence={"first_lr": [1e-2, 1e-2]})
    assert judge(stage_run("overfit", overfitted(story, reason="certain"), earlier=[constant])).verdict == "fail"


def test_a_warm_up_that_was_taken_away_excuses_a_stuck_loss() -> None:
    story = note(classifier([LN3] * 300), "change", detail="Adam: learning rate of the script 1")
    smoke = passed("smoke", evidence={"first_lr": [5e-7, 1e-6]})
    report = judge(stage_run("overfit", overfitted(story), earlier=[smoke]))
    assert report.verdict == "inconclusive" and "warms its learning rate up" in report.summary


def test_a_crash_after_smoke_went_through_is_not_held_against_the_script() -> None:
    story = repeated(floor(classifier(decay(LN3, 0.5, 20, 0.1)))).crash("RuntimeError", "one epoch only, please")
    report = judge(stage_run("overfit", story, earlier=[passed("smoke")]))
    assert report.verdict == "inconclusive" and "one epoch only" in report.summary
    assert judge(stage_run("overfit", story)).verdict == "fail"


def test_a_crash_that_comes_of_the_end_is_none() -> None:
    story = overfitted(classifier(decay(LN3, 0.0, 61, 0.1)), reason="certain")
    line = events.Frame(events.Where("train.py", 3), user=True)
    story.add(events.Crash(story.now + 1, story.step, "NameError", "name 'writer' is not defined", [line])).exit(1)
    report = judge(stage_run("overfit", story))
    assert report.verdict == "pass" and report.findings == () and report.exit_code is None


def test_one_class_only_proves_nothing() -> None:
    story = classifier(decay(LN3, 0.0, 100, 0.1), labels={"2": 32})
    report = judge(stage_run("overfit", overfitted(story)))
    assert report.verdict == "inconclusive" and "class 2" in report.summary


def test_a_single_layer_may_honestly_not_fit() -> None:
    story = classifier(decay(LN3, 0.5, 300, 0.1), shapes={"1.weight": (3, 256), "1.bias": (3,)})
    report = judge(stage_run("overfit", overfitted(story)))
    assert report.verdict == "inconclusive" and "single layer" in report.summary


def test_predicting_the_mean_is_no_learning() -> None:
    """Targets around 100 with a deviation of 1: from 10,000 to 1 is 99.99 % of the way, and all of it the mean."""
    facts = events.LossFacts(
        op="MseLossBackward0", reduction=1, target=events.TensorFacts([32], "float32", mean=100.0, std=1.0)
    )
    story = Story().model({"a.weight": (8, 4), "b.weight": (1, 8)}).optimizer().series()
    story.graph([("MseLossBackward0", [], {})], value=10_001.0, losses=[facts]).losses(decay(10_001.0, 1.0, 300, 0.1))
    report = judge(stage_run("overfit", overfitted(story)))
    assert report.verdict == "fail"
    assert any("predicts their mean" in cause["cause"] for cause in report.evidence["causes"])


def test_the_next_step_tells_which_side_to_look_at() -> None:
    stuck = overfitted(classifier([LN3] * 300))
    data = judge(stage_run("overfit", stuck, earlier=[passed("engine")]))
    assert "your data and its labels" in data.next_step
    model = judge(stage_run("overfit", stuck, earlier=[failed("engine")]))
    assert "the model, the loss and the optimizer" in model.next_step


def test_stopped_stages_are_inconclusive_with_where_they_stood() -> None:
    story = repeated(floor(classifier([LN3] * 12)))
    late = judge(stage_run("overfit", story, timed_out=True, seconds=600.0))
    assert late.verdict == "inconclusive" and "not done after 10 min 00 s, at step 12" in late.summary
    by_hand = judge(stage_run("overfit", story, aborted=True))
    assert by_hand.verdict == "inconclusive" and "stopped by hand" in by_hand.summary


def test_not_applicable_is_said() -> None:
    story = note(classifier([LN3]), "end", "not applicable", "the batch holds an open file")
    report = judge(stage_run("overfit", story))
    assert report.verdict == "inconclusive" and "the batch holds an open file" in report.summary


def test_an_exploding_gradient_does_not_matter_once_the_batch_was_learned() -> None:
    story = overfitted(classifier(decay(LN3, 0.0, 100, 0.2)))
    for step in range(0, 100, 5):
        story.sample(step, norm=0.0 if step > 20 else 0.1)
    report = judge(stage_run("overfit", story))
    assert report.verdict == "pass"


def test_gradients_that_are_never_cleared_fail_even_a_loss_that_fell() -> None:
    story = overfitted(classifier(decay(LN3, 0.0, 100, 0.2)))
    for step in range(1, 9):
        story.order(step, [0.1 * step], 0.1 * step + 0.1, 0.1 * step + 0.1, 0.1 * step, held=4, with_gradient=4)
    report = judge(stage_run("overfit", story))
    assert report.verdict == "fail" and report.findings[0].id == "loop.no_zero_grad"
