"""confusion_matrix.csv and error_samples.csv: every task, and what cannot be told."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from dlmon.report.answers import answers, calibration_error, confusion, error_samples, per_class
from dlmon.report.collect import collect
from dlmon_probes.events_predictions import LABELS, PIXELS, TOKENS, VALUES, Predictions, Sample
from tests.report.logs import classifier, finished, predictions, write


def told(**facts: Any) -> Predictions:
    return Predictions(t=0.0, step=1, loader=0, **facts)


def test_reasons_of_mistakes(tmp_path: Path) -> None:
    found = answers(collect(finished(tmp_path)).main)
    assert found.which == "test (test_loader) after 30 steps (the last one of 1)"
    rows, wrong = error_samples(found.predictions)
    assert wrong
    assert [row[:4] for row in rows] == [
        (103, "3", "8", 0.97), (7, "8", "3", 0.55), (None, "8", "=1+1", 0.6), (5, "8", "=1+1", 0.4),
    ]  # fmt: skip
    assert [row[4] for row in rows] == [
        "most confident mistake; classes often confused: 3 ↔ 8 (7 of 8 mistakes)",
        # 55 % against 44 %: nothing else can have more than 1 %
        "second choice was right (44 %); classes often confused: 8 ↔ 3 (7 of 8 mistakes)",
        "second choice was right (35 %)",
        "wrong",  # 20 % of the right class, and 40 % are somewhere else: its place is not known
    ]


def test_without_a_mistake_the_least_certain_answers(tmp_path: Path) -> None:
    unsure = [Sample(4, 44, 1, 1, 0.51, 0.51)]
    rows, wrong = error_samples(told(task="classes", classes=2, confusion=[[0, 0, 5], [1, 1, 5]], unsure=unsure))
    assert not wrong and rows == [(44, "1", "1", 0.51, "right, but with little confidence", 4)]


def test_the_validation_pass_with_the_lowest_loss(tmp_path: Path) -> None:
    """Without a test set, of the passes the best one is shown, not the last."""
    story = classifier(tmp_path / "run")
    story.events = [event for event in story.events if getattr(event, "loader", None) != 2]
    for number, event in enumerate(list(story.events)):
        if event.kind == "evaluation":
            told_at = predictions(story, 1, confusion=[[0, 0, event.step]])
            story.add(Predictions(**{**vars(told_at), "t": event.t + 0.001, "step": event.step}))
            if event.step == 30:
                story.events[number] = type(event)(**{**vars(event), "loss": 9.0})
    found = answers(collect(write(story.exit(0), tmp_path / "run")).main)
    assert found.predictions is not None and found.predictions.step == 20
    assert found.which == "val (val_loader) after 20 steps (the lowest loss of 3)"


def test_why_there_are_none(tmp_path: Path) -> None:
    story = classifier(tmp_path / "run")
    story.add(predictions(story, task="", reason="outputs (50, 4, 7) fit no target of the batch"))
    found = answers(collect(write(story.exit(0), tmp_path / "run")).main)
    assert found.predictions is None and found.reason == "outputs (50, 4, 7) fit no target of the batch"


def test_precision_and_recall(tmp_path: Path) -> None:
    rows = {row.name: row for row in per_class(answers(collect(finished(tmp_path)).main).predictions)}
    assert (rows["3"].support, rows["3"].precision, rows["3"].recall) == (20, pytest.approx(16 / 19), 0.8)
    assert (rows["=1+1"].precision, rows["=1+1"].recall) == (pytest.approx(14 / 15), 1.0)


def test_a_class_that_was_never_predicted_has_no_precision() -> None:
    (one, other) = per_class(told(task="classes", classes=2, confusion=[[0, 1, 3], [1, 1, 2]]))
    assert (one.precision, one.recall) == (None, 0.0) and (other.precision, other.recall) == (0.4, 1.0)


def test_labels() -> None:
    found = told(
        task=LABELS, classes=2, class_names=["cat", "dog"],
        confusion=[[0, 0, 5], [0, 1, 1], [0, 3, 4], [1, 2, 2], [1, 0, 8]],
        wrong=[Sample(0, 3, wrong=[1, -1], confidence=0.9)],
    )  # fmt: skip
    header, rows = confusion(found)
    assert header == ("label", "true_negative", "false_positive", "false_negative", "true_positive")
    assert rows == [("cat", 5, 1, 0, 4), ("dog", 8, 0, 2, 0)]
    cat, dog = per_class(found)
    assert (cat.precision, cat.recall, dog.precision, dog.recall) == (0.8, 1.0, None, 0.0)
    assert error_samples(found)[0][0][4] == "most confident mistake; missed dog; not there: cat"


def test_values() -> None:
    found = told(task=VALUES, rmse=0.5, wrong=[Sample(0, 3, 1.5, 9.5, error=8.0), Sample(1, 4, 2.0, 4.0, error=2.0)])
    assert confusion(found) == (("actual", "predicted", "count"), [])
    rows, _ = error_samples(found)
    assert rows[0] == (3, 1.5, 9.5, None, "largest error 8.00, 16.0 × the RMSE", 0)
    assert rows[1][4] == "error 2.00, 4.00 × the RMSE"


def test_pixels_and_tokens() -> None:
    rows, _ = error_samples(told(task=PIXELS, wrong=[Sample(0, 3, 1, 2, 0.9, error=0.4)]))
    assert rows[0][4].startswith("40 % of the positions wrong")
    rows, _ = error_samples(told(task=TOKENS, wrong=[Sample(0, 3, 7, 2, 0.9, position=12)]))
    assert rows[0][4].endswith("at position 12 of the sequence")


def test_many_classes_are_listed() -> None:
    header, rows = confusion(told(task="classes", classes=1000, confusion=[[0, 0, 3], [998, 999, 7]]))
    assert header == ("actual", "predicted", "count")
    assert rows == [("998", "999", 7), ("0", "0", 3)]


def test_what_was_cut_counts_in_recall() -> None:
    found = told(task="classes", classes=300, confusion=[[0, 0, 30]], cut=10, actual_counts=[40], predicted_counts=[32])
    (row,) = per_class(found)
    assert (row.support, row.recall, row.precision) == (40, 0.75, 30 / 32)


def test_calibration() -> None:
    assert calibration_error(told(confidence_bins=[[10, 5, 9.0], [0, 0, 0.0], [30, 30, 30.0]])) == pytest.approx(0.1)
    assert calibration_error(told()) is None
