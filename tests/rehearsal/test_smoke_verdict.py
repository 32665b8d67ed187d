"""Smoke: each item, and what fails the stage."""

from __future__ import annotations

import math

import pytest

from dlmon.rehearsal.report import StageReport, WrittenFile
from dlmon.rehearsal.verdicts.smoke import judge
from dlmon_probes import events
from tests.builders import START, Story, at
from tests.rehearsal.runs import LN3, WEIGHTS, classifier, healthy_steps, item, note, stage_run

NAMES = [
    "data", "labels", "forward", "loss", "backward", "step", "clearing", "mode", "evaluation", "eval mode",
    "checkpoint", "reproducible", "files", "end",
]  # fmt: skip


def healthy(**facts: object) -> Story:
    story = healthy_steps(classifier([LN3, 1.05], **facts))  # type: ignore[arg-type]
    trained = events.Mode("drop", "Dropout", True, 0.2)
    story.add(events.Modes(START + 1, 0, True, [trained]))
    story.add(events.Evaluation(story.now, 2, 1, 32, 0.1, loader=1, loss=1.07, accuracy=0.4))
    return story.add(events.Checkpoint(story.now, 2, "/p/out/best.pt", "files/p/out/best.pt", 21_000, True, True, 0.01))


def smoke(story: Story, **facts: object) -> StageReport:
    return judge(stage_run("smoke", story, **facts))  # type: ignore[arg-type]


def test_a_healthy_script_passes_every_item_in_order() -> None:
    files = [WrittenFile("/p/out/best.pt", "files/p/out/best.pt", 21_000, "torch.save")]
    report = smoke(healthy().exit(0), repeat=healthy(), files=files)
    assert report.verdict == "pass"
    assert [found.name for found in report.items] == NAMES
    assert {found.verdict for found in report.items} == {"pass"}
    assert "first loss 1.099, expected ln 3 = 1.099" in report.summary
    assert "gradients 4 of 4 parameters" in report.summary and "weights moved 4 of 4" in report.summary
    assert "32×1×16×16 float32 -2 … 2" in item(report, "data").detail
    assert item(report, "labels").detail == "labels 0 … 2 (3 different) of 3 classes"
    assert item(report, "forward").detail == "output 32×3"
    assert "best.pt (20.5 KiB) written and loaded back" in item(report, "checkpoint").detail
    assert "1 file redirected (20.5 KiB)" in item(report, "files").detail
    assert "exit code 0" in item(report, "end").detail
    assert report.exit_code == 0


def test_no_gradient_at_all_fails_and_names_what_the_loss_reaches() -> None:
    """The head was replaced after the optimizer was made."""
    story = Story().model(WEIGHTS | {"new.weight": (4, 512)}).optimizer(names=["fc.weight", "fc.bias"]).series()
    story.graph([("NllLossBackward0", [], {})], value=LN3, reached=["new.weight"])
    story.losses([LN3, LN3])
    for step in (0, 1):
        story.sample(step, norm=None, update=0.0, names=["fc.weight", "fc.bias"])
        story.order(step, [None], None, None, None, held=2, with_gradient=0)
    report = smoke(story)
    assert report.verdict == "fail"
    assert "gradients 0 of 2 parameters" in report.summary and "new.weight" in report.summary
    assert report.next_step


def test_gradients_that_were_cleared_before_the_step_are_told_as_that() -> None:
    story = classifier([LN3, LN3])
    for step in (0, 1):
        story.sample(step, norm=None, update=0.0)
        story.order(step, [None], 0.8, None, None, held=4, with_gradient=0)
    report = smoke(story)
    assert report.verdict == "fail" and "cleared between backward (norm 0.800) and step" in report.summary


def test_a_small_unused_part_passes_and_is_named() -> None:
    shapes = WEIGHTS | {"pooler.bias": (3,)}
    story = classifier([LN3, LN3], shapes=shapes)
    for step in (0, 1):
        story.sample(step, norm={"pooler.bias": None})
        story.order(step, [0.0], 0.3, 0.3, 0.3 if step else None, held=5, with_gradient=4)
    found = item(smoke(story), "backward")
    assert found.verdict == "pass" and "pooler.bias" in found.detail


def test_a_large_part_without_gradient_is_doubtful() -> None:
    story = classifier([LN3, LN3])
    for step in (0, 1):
        story.sample(step, norm={"fc.weight": None})
        story.order(step, [0.0], 0.3, 0.3, 0.3 if step else None, held=4, with_gradient=3)
    report = smoke(story)
    assert report.verdict == "inconclusive" and item(report, "backward").verdict == "inconclusive"


def test_a_warm_up_from_zero_does_not_fail_the_step() -> None:
    story = classifier([LN3, LN3], lr=0.0)
    healthy_steps(story, update=0.0)
    report = smoke(story.exit(0))
    assert item(report, "step").verdict == "unknown" and report.verdict == "pass"


def test_weights_that_do_not_move_fail() -> None:
    report = smoke(healthy_steps(classifier([LN3, LN3]), update=0.0))
    assert report.verdict == "fail" and "no weight moved in 2 steps, learning rate 0.001" in report.summary


def test_one_step_only_leaves_what_needs_two_open() -> None:
    report = smoke(healthy_steps(classifier([LN3]), steps=[0]).exit(0))
    assert item(report, "clearing").verdict == "unknown" and "one" in item(report, "clearing").detail
    assert report.verdict == "pass"


def test_a_loss_that_is_no_number_fails() -> None:
    story = healthy_steps(classifier([math.nan, math.nan]))
    report = smoke(story)
    assert report.verdict == "fail" and report.findings[0].id == "loss.nonfinite"


@pytest.mark.parametrize(("first", "verdict"), [(4.5, "inconclusive"), (40.0, "fail")])
def test_a_first_loss_far_from_its_expectation(first: float, verdict: str) -> None:
    """A hint of the checks leaves it open, a warning fails."""
    report = smoke(healthy_steps(classifier([first, first])))
    assert report.verdict == verdict
    assert "ln 3" in item(report, "loss").detail and f"{first:g}" in item(report, "loss").detail


def test_labels_outside_the_output_fail() -> None:
    report = smoke(healthy_steps(classifier([LN3, LN3], labels={"0": 10, "3": 2})))
    assert report.verdict == "fail" and item(report, "labels").verdict == "fail"


def test_one_label_only_is_doubtful() -> None:
    report = smoke(healthy_steps(classifier([LN3, LN3], labels={"1": 32})))
    assert report.verdict == "inconclusive" and "only label 1 of 3 classes" in report.summary


def test_labels_that_seem_to_start_at_one_are_doubtful() -> None:
    report = smoke(healthy_steps(classifier([LN3, LN3], labels={"1": 17, "2": 15})))
    assert report.verdict == "inconclusive" and "do they start at 1?" in report.summary
    few = smoke(healthy_steps(classifier([LN3, LN3], labels={"1": 3, "2": 2})))
    assert item(few, "labels").verdict == "pass"


def test_evaluation_in_train_mode_fails() -> None:
    story = healthy()
    story.add(events.Evaluation(story.now, 2, 1, 32, 0.1, loss=1.0, dropout_on=2, norm_on=1))
    report = smoke(story.exit(0))
    found = item(report, "eval mode")
    assert found.verdict == "inconclusive" and "2 dropout modules and 1 batch norm module" in found.detail
    assert report.verdict == "fail" and "loop.train_mode_in_eval" in {finding.id for finding in report.findings}


def test_training_in_eval_mode() -> None:
    off = events.Modes(START, 0, False, [events.Mode("drop", "Dropout", False, 0.2)])
    two = smoke(healthy_steps(classifier([LN3, LN3])).add(off))
    assert two.verdict == "inconclusive" and "drop" in item(two, "mode").detail
    more = smoke(healthy_steps(classifier([LN3] * 6)).add(off))
    assert more.verdict == "fail" and more.findings[0].id == "loop.eval_mode_in_training"


def test_a_checkpoint_that_does_not_load_back_fails() -> None:
    broken = events.Checkpoint(START, 2, "/p/best.pt", "files/p/best.pt", 900, False, False, 0.1, "EOFError: too short")
    report = smoke(healthy().add(broken).exit(0))
    assert report.verdict == "fail" and "best.pt" in report.summary and "EOFError: too short" in report.summary


def test_a_checkpoint_of_whole_objects_is_told_apart() -> None:
    whole = events.Checkpoint(START, 2, "/p/model.pt", "files/p/model.pt", 900, True, False, 0.1)
    found = item(smoke(healthy().add(whole)), "checkpoint")
    assert found.verdict == "pass" and "1 of 2 with weights_only=False only" in found.detail


def test_nothing_saved_is_no_fault() -> None:
    found = item(smoke(healthy_steps(classifier([LN3, LN3])).exit(0)), "checkpoint")
    assert found.verdict == "unknown" and found.detail == "the script saved nothing"


def test_reproducible_or_not_is_said_and_fails_nothing() -> None:
    same = smoke(healthy().exit(0), repeat=healthy())
    assert "the same loss in 2 steps" in item(same, "reproducible").detail
    other = healthy_steps(classifier([LN3, 1.06]))
    report = smoke(healthy().exit(0), repeat=other)
    assert item(report, "reproducible").verdict == "unknown" and report.verdict == "pass"
    assert "from step 1 on" in item(report, "reproducible").detail
    assert "1.05 and 1.06" in item(report, "reproducible").detail


def test_files_that_were_really_written_are_named() -> None:
    files = [WrittenFile("/p/a.log", "files/p/a.log", 10), WrittenFile("/data/db.sqlite", "", 4096, "sqlite3")]
    found = item(smoke(healthy().exit(0), files=files), "files")
    assert "1 file redirected (10 B), 1 really written: /data/db.sqlite" in found.detail


def test_what_was_not_reached_is_said() -> None:
    story = note(healthy_steps(classifier([LN3, LN3])), "end", "time", "10 s after the first steps", name="smoke")
    report = smoke(story)
    assert report.verdict == "pass" and report.exit_code is None
    assert "10 s after the first steps" in item(report, "end").detail
    assert "evaluation and a checkpoint not seen" in item(report, "end").detail


def test_a_crash_fails_with_its_finding() -> None:
    report = smoke(classifier([LN3]).crash("RuntimeError", "mat1 and mat2 shapes cannot be multiplied (32x8 and 4x2)"))
    assert report.verdict == "fail" and report.findings[0].id == "crash.shape"
    assert report.findings[0].title in report.summary and "train.py:31" in report.summary


@pytest.mark.parametrize(
    ("type", "message", "phase", "verdict"),
    [
        ("AssertionError", "accuracy 0.3 is too low", "other", "inconclusive"),
        ("FileNotFoundError", "best.pt", "other", "inconclusive"),
        ("ValueError", "max() arg is an empty sequence", "other", "inconclusive"),
        ("AssertionError", "shapes differ", "forward", "fail"),
        ("NameError", "name 'metrics' is not defined", "evaluation", "fail"),
    ],
)
def test_what_so_few_batches_bring_about_fails_nothing(type: str, message: str, phase: str, verdict: str) -> None:
    story = healthy_steps(classifier([LN3, LN3])).crash(type, message, phase=phase)
    assert smoke(story).verdict == verdict


def test_before_the_first_step_every_crash_fails() -> None:
    assert smoke(classifier([]).crash("AssertionError", "no data", phase="data")).verdict == "fail"


def test_a_crash_that_is_not_held_against_the_script_is_no_error() -> None:
    report = smoke(healthy_steps(classifier([LN3, LN3])).crash("AssertionError", "accuracy is too low", phase="other"))
    assert [finding.severity for finding in report.findings if finding.id.startswith("crash.")] == ["hint"]


def test_an_exit_code_of_its_own_is_doubtful() -> None:
    report = smoke(healthy().exit(3), output=["accuracy too low"])
    assert report.verdict == "inconclusive"
    assert "exit code 3" in report.summary and "accuracy too low" in report.summary and report.exit_code == 3


def test_never_a_step_says_what_it_did_instead() -> None:
    story = Story().add(events.Loader(START, 0, "Stripes", where=at(30)))
    story.add(events.Evaluation(START + 1, 0, 4, 128, 0.2)).exit(0)
    report = smoke(story, seconds=4.2, output=["loading", "nothing to do"])
    assert report.verdict == "fail"
    for part in (
        "4.2 s",
        "exit code 0",
        "Stripes (train.py:30)",
        "4 batches",
        "never called backward",
        "nothing to do",
    ):
        assert part in report.summary, report.summary


def test_backward_without_a_step_may_be_accumulation() -> None:
    report = smoke(classifier([]).exit(0))
    assert report.verdict == "inconclusive" and "backward" in report.summary


def test_arguments_that_are_missing_are_one_clear_line() -> None:
    output = ["usage: train.py [-h] --data DATA", "train.py: error: the following arguments are required: --data"]
    report = smoke(Story().exit(2), output=output)
    assert report.verdict == "fail"
    assert report.summary == "the script did not take its arguments: the following arguments are required: --data"


def test_an_exit_code_of_two_without_usage_is_no_usage_error() -> None:
    assert "arguments" not in smoke(Story().exit(2), output=["no GPU"]).summary


def test_a_stage_that_ran_out_of_time_tells_where_it_stood() -> None:
    report = smoke(Story(), timed_out=True, seconds=600.0, output=["downloading"])
    assert report.verdict == "inconclusive"
    assert "10 min 00 s" in report.summary and "before its first optimizer step" in report.summary
    assert "downloading" in report.summary


def test_the_learning_rates_are_kept_for_later_stages() -> None:
    report = smoke(healthy().exit(0))
    assert report.evidence["first_lr"] == [0.001, 0.001] and report.evidence["own_lr"] == 0.001
