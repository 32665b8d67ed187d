"""Subset: the evaluation loss against its noise and against an untrained model; and the full run."""

from __future__ import annotations

import pytest

from dlmon.rehearsal.report import StageReport
from dlmon.rehearsal.verdicts import full, subset
from dlmon_probes import events
from tests.builders import Story
from tests.rehearsal.runs import LN3, classifier, decay, note, stage_run


def evaluated(losses: list[float], *, samples: int = 1500, end: float = 0.5, **facts: object) -> Story:
    story = classifier(decay(LN3, end, 100, 0.05))
    for i, loss in enumerate(losses):
        story.add(events.Evaluation(story.now, 20 * i, 10, samples, 0.5, loader=1, loss=loss, **facts))  # type: ignore[arg-type]
    return story


def judged(story: Story, **facts: object) -> StageReport:
    return subset.judge(stage_run("subset", story, **facts))  # type: ignore[arg-type]


def test_a_fall_beyond_the_noise_passes() -> None:
    report = judged(evaluated([1.05, 0.9, 0.8], name="val").exit(0))
    assert report.verdict == "pass" and report.summary == "val loss 1.05 → 0.800 over 3 evaluations"
    assert report.evidence["curves"]["val loss"] == [[0, 1.05], [20, 0.9], [40, 0.8]]


def test_a_loss_that_fell_and_rose_again_passes() -> None:
    """A small part of the data is learned by heart in the end."""
    assert judged(evaluated([1.05, 0.7, 1.4]).exit(0)).verdict == "pass"


def test_within_the_noise_nothing_is_decided() -> None:
    """64 samples: two evaluations of one model differ by about 1.08 / 8 = 0.14."""
    report = judged(evaluated([1.08, 1.05], samples=64).exit(0))
    assert report.verdict == "inconclusive" and "--fraction 0.3" in report.next_step


def test_one_evaluation_is_held_against_the_first_training_loss() -> None:
    report = judged(evaluated([0.6]).exit(0))
    assert report.verdict == "pass" and "the first training loss was 1.10" in report.summary
    assert judged(evaluated([1.09]).exit(0)).verdict == "inconclusive"


def test_a_training_loss_on_another_scale_is_no_yardstick() -> None:
    """A sum over 32 rows starts at 35: an evaluation's mean of 1.0 is no success by itself."""
    story = classifier(decay(35.0, 20.0, 100, 0.05))
    story.add(events.Evaluation(story.now, 100, 10, 1500, 0.5, loss=1.0))
    assert judged(story.exit(0)).verdict == "inconclusive"


def test_never_better_than_untrained_fails() -> None:
    report = judged(evaluated([1.3, 1.6, 2.0, 2.4], end=0.4).exit(0))
    assert report.verdict == "fail" and "untrained" in report.summary and "0.4" in report.summary


def test_accuracy_alone_is_taken_as_errors() -> None:
    story = classifier(decay(LN3, 0.5, 100, 0.05))
    for step, accuracy in ((0, 0.35), (50, 0.6), (100, 0.8)):
        story.add(events.Evaluation(story.now, step, 10, 1500, 0.5, accuracy=accuracy))
    report = judged(story.exit(0))
    assert report.verdict == "pass" and "error rate 65 % → 20 %" in report.summary


def test_without_evaluation_it_says_so() -> None:
    report = judged(classifier(decay(LN3, 0.5, 100, 0.05)).exit(0))
    assert report.verdict == "inconclusive" and "no evaluation ran" in report.summary and "1.10 →" in report.summary


def test_without_a_loader_it_does_not_apply() -> None:
    story = note(classifier([LN3]), "end", "not applicable", "the script has no DataLoader", name="subset")
    report = judged(story)
    assert report.verdict == "inconclusive" and "no DataLoader" in report.summary


def test_time_that_ran_out_keeps_what_was_proved() -> None:
    assert judged(evaluated([1.05, 0.9, 0.8]), timed_out=True).verdict == "pass"
    assert judged(evaluated([1.05]), timed_out=True).verdict == "inconclusive"


def test_errors_and_exit_codes_fail() -> None:
    crashed = judged(evaluated([1.05, 0.8]).crash("RuntimeError", "boom"))
    assert crashed.verdict == "fail" and "boom" in crashed.summary
    assert judged(evaluated([1.05, 0.8]).exit(3), output=["too bad"]).verdict == "fail"


@pytest.mark.parametrize(("code", "verdict"), [(0, "pass"), (1, "fail")])
def test_the_full_run_is_its_exit_code(code: int, verdict: str) -> None:
    report = full.judge(stage_run("full", classifier(decay(LN3, 0.5, 100, 0.05)).exit(code)))
    assert report.verdict == verdict and report.exit_code == code


def test_an_error_fails_the_full_run_though_it_ended_well() -> None:
    story = classifier([1.0] * 5 + [float("nan")] * 30).exit(0)
    report = full.judge(stage_run("full", story))
    assert report.verdict == "fail" and report.findings[0].id == "loss.nonfinite"


def test_a_full_run_that_somebody_stopped_is_not_failed() -> None:
    report = full.judge(stage_run("full", classifier([1.0] * 5).exit(143, "SIGTERM"), aborted=True))
    assert report.verdict == "inconclusive"
