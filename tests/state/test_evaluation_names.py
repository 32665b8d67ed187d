"""One name for each evaluation pass, everywhere."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from dlmon.compare.metrics import named_series
from dlmon.interop.writers.table import Table
from dlmon.report.collect import collect
from dlmon.report.evaluations import groups
from dlmon.state.evaluation_names import PassNames
from dlmon.watch.facts import Facts
from dlmon_probes import events
from tests.builders import Story, at
from tests.compare.sides import side
from tests.report.logs import classifier, evaluation, loader, write


def names(*steps: Any) -> list[str]:
    """Labels of passes; loaders and passes in the order in which they are told of."""
    known = PassNames()
    found = []
    for item in steps:
        if isinstance(item, events.Loader):
            known.loader(item)
        else:
            found.append(known.of(item).label)
    return found


def one(loader: int, step: int = 10, name: str = "") -> events.Evaluation:
    return events.Evaluation(t=0.0, step=step, batches=1, samples=50, seconds=0.1, loader=loader, name=name)


def made(number: int, text: str, line: int = 9, samples: int = 50) -> events.Loader:
    return events.Loader(t=0.0, loader=number, dataset="D", samples=samples, where=at(line, text))


def test_by_the_variable_of_the_loader() -> None:
    loaders = (made(1, "val_loader = DataLoader(v)"), made(2, "test_loader = DataLoader(t)", 10))
    assert names(*loaders, one(1), one(2), one(1, 20)) == ["val", "test", "val"]
    assert names(made(0, "train_loader = DataLoader(v)"), one(0)) == ["train set"]  # not the loss of the steps


def test_without_a_telling_name_the_first_counts_as_validation() -> None:
    assert names(one(1), one(3), one(-1), one(1, 20)) == ["val", "loader 3", "val 2", "val"]


def test_by_what_the_script_calls_it() -> None:
    assert names(one(-1, name="train"), one(-1, name="val"), one(-1, name="ood")) == ["train set", "val", "ood"]
    loaders = (made(1, "val_loader = DataLoader(v)"), made(2, "ood_val = DataLoader(t)", 10))
    assert names(*loaders, one(1), one(2)) == ["val", "ood_val"]


def test_a_loader_that_is_made_anew_keeps_its_name() -> None:
    line = "val_loader = DataLoader(v)"
    assert names(made(1, line), one(1, 10), made(3, line), one(3, 20), made(5, line), one(5, 30)) == ["val"] * 3
    # Of another size it is another set, and two that are looked at after the same step are two.
    assert names(made(1, line), one(1, 10), made(3, line, samples=60), one(3, 20)) == ["val", "val_loader"]
    assert names(made(1, line), made(3, line), one(1, 10), one(3, 10), one(1, 20)) == ["val", "val_loader", "val"]


def test_names_are_bounded() -> None:
    labels = names(*(one(number) for number in range(600)))
    assert labels[0] == "val" and len(labels) == 600


def test_screen_report_comparison_conditions_and_export_agree(tmp_path: Path) -> None:
    folder = write(classifier(tmp_path / "run").exit(0), tmp_path / "run")
    shown = side("A", folder)
    series = {line.name for line in shown.snapshot.series if line.source == "evaluation"}
    assert series == {"val loss", "val accuracy", "test loss", "test accuracy"}
    assert series <= set(named_series(shown))
    assert [view.label for view in shown.snapshot.evaluations] == ["val", "val", "val", "test"]
    process = collect(folder).main
    assert process is not None and [group.label for group in groups(process)] == ["val", "test"]
    assert {"val_loss", "val_accuracy", "test_loss", "test_accuracy"} <= set(Table(folder).columns())
    facts = Facts()
    for tagged in classifier(tmp_path / "other").tagged():
        list(facts.moments(tagged))
    assert {*series, "val_loss", "val_accuracy"} <= set(facts.names())
    assert facts.history("val_loss").count == 3 and facts.history("test loss").count == 1


def test_val_loss_is_not_that_of_the_training_set() -> None:
    story = Story().add(loader(0, "train_loader"), loader(1, "val_loader"))
    evaluation(story, 0.1, None, loader=0)
    evaluation(story, 0.7, None, loader=1)
    facts = Facts()
    for tagged in story.tagged():
        list(facts.moments(tagged))
    assert facts.history("val_loss").last == 0.7 and facts.history("train set loss").last == 0.1


def test_a_run_that_was_stopped_before_its_test_lines_up(tmp_path: Path) -> None:
    whole = side("A", write(classifier(tmp_path / "a").exit(0), tmp_path / "a"))
    story = classifier(tmp_path / "b", epochs=2)
    story.events = [event for event in story.events if getattr(event, "loader", None) != 2]
    cut = side("B", write(story.exit(130), tmp_path / "b"))
    assert "val loss" in named_series(whole) and "val loss" in named_series(cut)
    assert "test loss" in named_series(whole) and "test loss" not in named_series(cut)
