"""training_log.csv and model_comparison.csv: numbers that can be told beforehand."""

from __future__ import annotations

from pathlib import Path

import pytest

from dlmon.report.collect import collect
from dlmon.report.evaluations import loader_name, role_of
from dlmon.report.process import logged_as
from dlmon.report.tables import PARTS, model_comparison, training_log
from dlmon_probes import events
from tests.builders import Story
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


def test_nan_is_left_out_of_the_mean(tmp_path: Path) -> None:
    story = Story(folder=tmp_path / "run").series()
    story.losses([1.0, float("nan"), 3.0, None])
    evaluation(story, float("nan"), None)
    rows = training_log(collect(write(story.exit(0), tmp_path / "run")))
    assert rows[0].train_loss == 2.0 and rows[0].val_loss != rows[0].val_loss


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
     ("a, b = loaders()", ""), ("return DataLoader(x)", ""), ("f(x == DataLoader(y))", "")],
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
