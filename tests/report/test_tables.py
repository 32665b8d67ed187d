"""training_log.csv and model_comparison.csv: numbers that can be told beforehand."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pytest

from dlmon.report.answers import Answers, answers
from dlmon.report.collect import collect
from dlmon.report.metrics import summary
from dlmon.report.process import logged_as
from dlmon.report.tables import PARTS, model_comparison, training_log
from dlmon.report.words import limits, missing, next_step, outcome
from dlmon.state.evaluation_names import loader_name, role_of
from dlmon_probes import events
from dlmon_probes.events_predictions import CLASSES, Predictions
from tests.builders import Story, at
from tests.report.logs import PER_EPOCH, START, classifier, evaluation, finished, loader, write


def test_a_row_for_each_evaluation(tmp_path: Path) -> None:
    rows = training_log(collect(finished(tmp_path)))
    assert [(row.step, row.epoch) for row in rows] == [(10, 1), (20, 2), (30, 3)]
    # Mean over the ten steps since the row before: 1 - 0.01 × (0 … 9), and so on.
    assert [row.train_loss for row in rows] == pytest.approx([0.955, 0.855, 0.755])
    assert [row.val_loss for row in rows] == pytest.approx([0.9, 0.8, 0.7])  # not the test pass at step 30
    assert [row.val_accuracy for row in rows] == pytest.approx([0.5, 0.6, 0.7])
    assert [row.lr for row in rows] == [0.1] * 3
    assert [row.seconds for row in rows] == pytest.approx([2.0, 3.0, 4.0])
    assert all(row.train_accuracy is None for row in rows)


def test_a_block_that_reaches_over_an_evaluation_is_cut(tmp_path: Path) -> None:
    """Blocks are flushed every quarter of a second: the evaluation's line may come before the block with its steps."""
    story = Story(folder=tmp_path / "run").series()
    story.step = 3
    evaluation(story, 0.5, None)
    story.step = 0
    story.losses([1.0, 1.0, 1.0, 5.0, 5.0])
    rows = training_log(collect(write(story.exit(0), tmp_path / "run")))
    assert [(row.step, row.train_loss, row.val_loss) for row in rows] == [(3, 1.0, 0.5), (5, 5.0, None)]


def test_epochs_where_nothing_is_evaluated(tmp_path: Path) -> None:
    story = Story(folder=tmp_path / "run").add(loader(0, "train_loader", PER_EPOCH)).series()
    story.losses([1.0] * 10 + [2.0] * 10 + [3.0] * 4)
    rows = training_log(collect(write(story.exit(0), tmp_path / "run")))
    assert [(row.step, row.epoch, row.train_loss) for row in rows] == [(10, 1, 1.0), (20, 2, 2.0), (24, 3, 3.0)]


def test_parts_where_there_is_neither(tmp_path: Path) -> None:
    story = Story(folder=tmp_path / "run").series()
    for first in range(0, 1000, 100):
        story.losses([float(first)] * 100)
    rows = training_log(collect(write(story.exit(0), tmp_path / "run")))
    assert len(rows) == PARTS and rows[-1].step == 1000
    assert [row.train_loss for row in rows[:4]] == pytest.approx([0, 0, 100, 100])
    assert [row.seconds for row in rows[:2]] == pytest.approx([5.9, 10.9])


def test_a_row_with_a_nan_step_is_nan(tmp_path: Path) -> None:
    """The mean of the other steps would look sound."""
    story = Story(folder=tmp_path / "run").series()
    story.losses([1.0, 3.0, None])
    evaluation(story, 0.5, None)
    story.losses([1.0, float("nan"), 3.0, None])
    evaluation(story, float("nan"), None)
    rows = training_log(collect(write(story.exit(0), tmp_path / "run")))
    assert rows[0].train_loss == 2.0 and rows[0].steps == 3
    assert rows[1].train_loss is not None and math.isnan(rows[1].train_loss) and rows[1].steps == 4
    assert rows[1].val_loss is not None and math.isnan(rows[1].val_loss)


def test_parts_of_a_run_that_ends_in_nan(tmp_path: Path) -> None:
    story = Story(folder=tmp_path / "run").series()
    story.losses([1.0] * 60 + [float("nan")] * 40)
    evidence = collect(write(story.exit(0), tmp_path / "run"))
    rows = training_log(evidence)
    assert [(row.step, row.steps) for row in rows] == [(step, 5) for step in range(5, 101, 5)]
    assert [row.train_loss for row in rows[:12]] == [1.0] * 12
    assert all(row.train_loss is not None and math.isnan(row.train_loss) for row in rows[12:])
    assert "the training loss is not finite from step 60 on" in outcome(evidence, rows)


def test_what_the_script_logs_fills_what_was_not_measured(tmp_path: Path) -> None:
    story = Story(folder=tmp_path / "run").add(loader(0, "train_loader", 2)).series()
    story.losses([1.0, 1.0])
    rows_of_scalars = [events.ScalarRow("train/acc", 0.4), events.ScalarRow("Loss/val", 0.9)]
    story.add(events.Scalars(t=story.now, source="tensorboard", at=2, rows=rows_of_scalars))
    story.losses([0.5, 0.5])
    rows = training_log(collect(write(story.exit(0), tmp_path / "run")))
    assert [(row.train_accuracy, row.val_loss) for row in rows] == [(0.4, 0.9), (None, None)]


@pytest.mark.parametrize(
    ("tag", "column"),
    [("val_loss", "val_loss"), ("Loss/valid", "val_loss"), ("eval/accuracy", "val_accuracy"),
     ("train/acc", "train_accuracy"), ("val/loss_mask", None), ("interval_loss", None), ("train/loss", None)],
)  # fmt: skip
def test_names_of_logged_values(tag: str, column: str | None) -> None:
    assert logged_as(tag) == column


@pytest.mark.parametrize(
    ("said", "role"),
    [("val_loader", "validation"), ("testLoader", "test"), ("dl_dev", "validation"), ("train_dl", "train"),
     ("contest", None), ("evaluation", "validation"), ("", None)],
)  # fmt: skip
def test_roles(said: str, role: str | None) -> None:
    assert role_of(said) == role


@pytest.mark.parametrize(
    ("text", "name"),
    [("val_loader = DataLoader(x)", "val_loader"), ("self.test: DataLoader = DataLoader(x)", "test"),
     ("a, b = loaders()", ""), ("return DataLoader(x)", ""),
     ("tl = DataLoader(a); vl = DataLoader(b)", ""), ("s = Sampler(d); val_dl = DataLoader(d, sampler=s)", "val_dl"),
     ("val_loader = DataLoader(", "val_loader"), ("a = DataLoader(x); b = DataLoader(", ""),
     ("f(x == DataLoader(y))", "")],
)  # fmt: skip
def test_names_of_loaders(text: str, name: str) -> None:
    where = events.Where("train.py", 1, "", text)
    assert loader_name(events.Loader(t=0.0, loader=0, dataset="D", where=where)) == name


def test_runs_side_by_side(tmp_path: Path) -> None:
    flat = write(classifier(tmp_path / "flat", cls="Sequential", base=1.5).exit(0), tmp_path / "flat")
    one, other = model_comparison([collect(finished(tmp_path)), collect(flat)])
    assert (one.name, one.run, one.parameters, one.steps) == ("TinyCNN", "cnn", 231, 30)
    assert one.best_val_loss == pytest.approx(0.7) and one.best_val_accuracy == pytest.approx(0.7)
    assert one.step_seconds == pytest.approx(0.1) and one.peak_memory_bytes == 302 << 20
    assert other.name == "Sequential(Flatten, Linear)" and other.best_val_loss == pytest.approx(1.2)


def test_a_script_that_trains_two_models(tmp_path: Path) -> None:
    """The second model's optimizer begins after the first one's last step: two trainings, each with its own best."""
    story = Story(folder=tmp_path / "run").add(loader(1, "val_loader")).series()
    story.model({"a.weight": [2, 2]}, root=0).optimizer(["a.weight"], index=0)
    story.losses([1.0] * 10).sample(9, names=["a.weight"])
    evaluation(story, 0.9, 0.1)
    story.model({"b.weight": [3, 3]}, optimizer=1, root=1)
    story.add(events.Optimizer(t=story.now, index=1, cls="SGD", step=10, groups=[events.OptimizerGroup([1])]))
    story.losses([0.5] * 10).sample(19, optimizer=1, names=["b.weight"])
    evaluation(story, 0.4, 0.6)
    rows = model_comparison([collect(write(story.exit(0), tmp_path / "run"))])
    assert [(row.name, row.parameters, row.steps, row.best_val_loss) for row in rows] == [
        ("Net", 4, 10, 0.9), ("Net #2", 9, 10, 0.4),
    ]  # fmt: skip


def sweep(tmp_path: Path, losses: tuple[float | None, ...] = (0.9, 0.4, 0.6)) -> Story:
    """Three trainings of ten steps in one process. Each model gets the number of the one before, which was freed, and
    its loader is made anew by the same line."""
    story = Story(folder=tmp_path / "run").series()
    for number, loss in enumerate(losses):
        width = number + 2
        rows = [events.Parameter(number, "0.weight", [width, width], "float32", "cpu", True, width * width, number)]
        story.losses([1.0] * 2)  # blocks come before the lines of the model, and reach over its beginning
        made = loader(number, "val_loader")
        story.add(
            events.Model(t=story.now, root=0, cls="Net", step=10 * number, parameters=rows),
            events.Optimizer(
                t=story.now, index=number, cls="SGD", step=10 * number, groups=[events.OptimizerGroup([number])]
            ),
            replace(made, where=at(10, "val_loader = DataLoader(data, batch_size=32)")),
        )
        story.losses([0.5] * 8).sample(story.step - 1, optimizer=number, names=[])
        evaluation(story, loss, 0.5 + 0.1 * number, loader=number, root=0)
    return story


def test_a_freed_model_is_not_its_successor(tmp_path: Path) -> None:
    evidence = collect(write(sweep(tmp_path).exit(0), tmp_path / "run"))
    rows = model_comparison([evidence])
    assert [(row.name, row.parameters, row.first_step, row.steps, row.best_val_loss) for row in rows] == [
        ("Net", 4, 0, 10, 0.9), ("Net #2", 9, 10, 10, 0.4), ("Net #3", 16, 20, 10, 0.6),
    ]  # fmt: skip
    log = training_log(evidence)
    assert [(row.step, row.val_loss, row.steps) for row in log] == [(10, 0.9, 10), (20, 0.4, 10), (30, 0.6, 10)]
    said = outcome(evidence, log)
    assert "On val (val_loader) the best of 3 trainings was Net (9 parameters) after 10 of its 10 steps" in said
    assert "stop earlier" not in next_step(evidence, 3)
    assert summary(evidence, Answers(None), ())["validation"]["best"]["loss"] == 0.4


def test_a_training_without_a_loss_keeps_its_accuracy(tmp_path: Path) -> None:
    evidence = collect(write(sweep(tmp_path, (0.9, None, None)).exit(0), tmp_path / "run"))
    rows = model_comparison([evidence])
    assert [(row.best_val_loss, row.best_val_accuracy) for row in rows] == [(0.9, 0.5), (None, 0.6), (None, 0.7)]
    assert "Net (16 parameters) after 10 of its 10 steps: accuracy 70 %" in outcome(evidence, training_log(evidence))
    lost = [line for line in missing(evidence, Answers(None), training_log(evidence)) if "validation loss" in line]
    assert len(lost) == 2 and "(steps 10 to 20): not known of 1 of 1 pass on val (val_loader)" in lost[0]


def test_a_pass_belongs_to_its_model_whenever_it_came(tmp_path: Path) -> None:
    """Both models are looked at after both were trained."""
    story = Story(folder=tmp_path / "run").add(loader(1, "val_loader")).series()
    story.model({"a.weight": [2, 2]}, root=0).optimizer(["a.weight"], index=0)
    story.losses([1.0] * 10).sample(9, names=["a.weight"])
    story.model({"b.weight": [3, 3]}, optimizer=1, root=1)
    story.add(events.Optimizer(t=story.now, index=1, cls="SGD", step=10, groups=[events.OptimizerGroup([1])]))
    story.losses([0.5] * 10).sample(19, optimizer=1, names=["b.weight"])
    evaluation(story, 0.3, 0.8, root=0)
    evaluation(story, 0.4, 0.6, root=1)
    rows = model_comparison([collect(write(story.exit(0), tmp_path / "run"))])
    assert [(row.best_val_loss, row.best_val_accuracy) for row in rows] == [(0.3, 0.8), (0.4, 0.6)]


def test_models_without_optimizers_cannot_be_told_apart(tmp_path: Path) -> None:
    story = Story(folder=tmp_path / "run").series()
    story.model({"a.weight": [2, 2]}, root=0, optimizer=None).model({"b.weight": [2, 2]}, root=1, optimizer=None)
    story.losses([1.0] * 10)
    evaluation(story, 0.3, 0.8)
    evidence = collect(write(story.exit(0), tmp_path / "run"))
    (row,) = model_comparison([evidence])
    assert (row.steps, row.best_val_loss, row.best_val_accuracy) == (10, None, None)
    assert any("cannot be told when" in line for line in limits(evidence, Answers(None), training_log(evidence)))


def test_passes_with_an_accuracy_alone_are_passes(tmp_path: Path) -> None:
    """The share of right answers is in the line of the predictions; a loss of the script's own is not known."""
    story = Story(folder=tmp_path / "run").series()
    for right in (0.5, 0.8, 0.7):
        story.losses([1.0] * 10)
        evaluation(story, None, None)
        story.add(
            Predictions(t=story.now, step=story.step, loader=1, task=CLASSES, samples=50, looked_at=50, right=right)
        )
    evidence = collect(write(story.exit(0), tmp_path / "run"))
    log = training_log(evidence)
    assert [(row.val_loss, row.val_accuracy) for row in log] == [(None, 0.5), (None, 0.8), (None, 0.7)]
    assert outcome(evidence, log) == "On val it was best after 20 steps: accuracy 80 %."
    found = answers(evidence.main)
    assert found.predictions is not None and found.predictions.step == 20
    assert found.which == "val after 20 steps (the highest accuracy of 3)"
    gone = missing(evidence, found, log)
    assert any(line.startswith("validation loss: not known of 3 of 3 passes on val: ") for line in gone)


def test_models_that_step_in_turns_are_one_training(tmp_path: Path) -> None:
    story = Story(folder=tmp_path / "run").series()
    story.model({"g.weight": [2, 2]}, root=0).model({"d.weight": [3, 3]}, optimizer=1, root=1)
    story.optimizer(["g.weight"], index=0).optimizer(["d.weight"], index=1)
    story.losses([1.0] * 20).sample(18, names=["g.weight"]).sample(19, optimizer=1, names=["d.weight"])
    rows = model_comparison([collect(write(story.exit(0), tmp_path / "run"))])
    assert [(row.name, row.parameters, row.steps) for row in rows] == [("Net", 13, 20)]


def test_a_second_process_is_a_training_of_its_own(tmp_path: Path) -> None:
    folder = finished(tmp_path)
    second = classifier(folder, epochs=4, base=0.8)
    second.events[0] = events.Hello(t=START + 20, schema=1, role="rank", pid=200, host="node")
    from dlmon.record.codec import encode_event

    (folder / "rank0-200.jsonl").write_bytes(b"".join(map(encode_event, second.events)))
    evidence = collect(folder)
    rows = model_comparison([evidence])
    assert [(row.name, row.steps, row.best_val_loss) for row in rows] == [
        ("TinyCNN", 30, pytest.approx(0.7)), ("TinyCNN #2", 40, pytest.approx(0.4)),
    ]  # fmt: skip
    assert training_log(evidence)[-1].step == 40  # the training with the most steps
