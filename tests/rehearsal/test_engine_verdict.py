"""Engine: half of the way passes, no way at all fails, in between nothing is certain."""

from __future__ import annotations

import pytest

from dlmon.rehearsal.verdicts.engine import judge
from dlmon_probes import events
from tests.builders import START, Story
from tests.rehearsal.runs import LN3, classifier, decay, floor, note, passed, stage_run, synthetic


def engine(story: Story, *, floor_value: float | None = 0.0, reason: str = "steps") -> Story:
    return note(synthetic(floor(story, floor_value)), "end", reason, "300 steps", name="engine")


def test_half_of_the_way_passes() -> None:
    report = judge(stage_run("engine", engine(classifier(decay(LN3, 0.4, 300, 0.1)))))
    assert report.verdict == "pass" and "1.10 → 0.400 in 300 steps, floor 0 (hard labels)" in report.summary


@pytest.mark.parametrize(("accuracy", "verdict"), [(0.8, "pass"), (0.36, "inconclusive")])
def test_accuracy_well_above_chance_passes(accuracy: float, verdict: str) -> None:
    """With 11 of 32 rows of one class, guessing gives 34 %."""
    story = classifier(decay(LN3, 0.7, 300, 0.1), accuracy=[0.3, 0.3, *[accuracy] * 4])
    assert judge(stage_run("engine", engine(story))).verdict == verdict


def test_without_a_floor_accuracy_passes() -> None:
    story = classifier(decay(LN3, 0.7, 300, 0.1), accuracy=[0.3, 0.3, 0.9, 0.9, 0.9, 0.9])
    assert judge(stage_run("engine", engine(story, floor_value=None))).verdict == "pass"
    assert judge(stage_run("engine", engine(classifier([LN3] * 300), floor_value=None))).verdict == "inconclusive"


def test_no_learning_at_all_fails_and_names_the_side() -> None:
    report = judge(stage_run("engine", engine(classifier([LN3 + 0.01 * (-1) ** i for i in range(300)]))))
    assert report.verdict == "fail"
    assert "the model, the loss and the optimizer" in report.next_step


def test_some_learning_is_no_failure() -> None:
    report = judge(stage_run("engine", engine(classifier(decay(LN3, 0.8, 300, 0.1)))))
    assert report.verdict == "inconclusive" and "27 % of the way" in report.summary


def test_slow_learning_is_no_failure() -> None:
    report = judge(stage_run("engine", engine(classifier(decay(LN3, 0.0, 300, 0.0003)))))
    assert report.verdict == "inconclusive" and "still falling" in report.summary


def test_the_first_batch_is_the_scripts_own_and_does_not_count() -> None:
    """Real targets gave a loss of 50, synthetic ones begin at 1: half of the way is 0.5 and not 25."""
    story = classifier([50.0, *[1.0] * 299]).add(events.StageData(START + 1, 0, "synthetic", "loader"))
    report = judge(stage_run("engine", note(floor(story), "end", "steps", name="engine")))
    assert report.verdict == "fail"


def test_without_synthetic_data_nothing_is_decided() -> None:
    story = note(floor(classifier([LN3] * 300)), "end", "steps", name="engine")
    report = judge(stage_run("engine", story))
    assert report.verdict == "inconclusive" and "synthetic" in report.summary


def test_data_that_cannot_be_imitated_are_said() -> None:
    story = note(classifier([LN3]), "end", "not applicable", "which tensor is the target cannot be told", name="engine")
    report = judge(stage_run("engine", story))
    assert report.verdict == "inconclusive" and "which tensor is the target" in report.summary


def test_a_script_that_cannot_bear_synthetic_data_is_not_failed() -> None:
    story = synthetic(floor(classifier([LN3] * 3))).crash("ValueError", "unknown patient id", phase="data")
    report = judge(stage_run("engine", story, earlier=[passed("smoke")]))
    assert report.verdict == "inconclusive" and "synthetic data" in report.summary
