"""What the loaders' rows add up to, judged: each fault beside what looks like it."""

from __future__ import annotations

from typing import Any

import pytest

from dlmon_probes import events
from dlmon_probes.events_data import DatasetLabels, LoaderRows
from tests.builders import START, Story, at, told

RICH = 300.0  # bits in a row
ROWS = {"pulls": 40, "batches": 40, "rows": 1280, "distinct": 1280, "bits": RICH, "input_path": "[0]"}


def loader(number: int = 0, **facts: Any) -> events.Loader:
    given = {"length": 40, "samples": 1280, "batch_size": 32, "sampler": "RandomSampler"} | facts
    return events.Loader(t=START, loader=number, dataset="TensorDataset", where=at(9 + number), **given)


def rows(number: int = 0, trained: bool = True, **facts: Any) -> LoaderRows:
    return LoaderRows(t=START + 1, step=3, loader=number, trained=trained, **(ROWS | facts))


def evaluation(number: int = 1, name: str = "val") -> events.Evaluation:
    return events.Evaluation(t=START + 2, step=40, batches=4, samples=128, seconds=0.1, loader=number, name=name)


def story(*items: Any) -> Story:
    return Story().model({"w": [4, 4]}).series().losses([1.0] * 40).add(*items)


def test_a_loader_that_gives_its_first_batch_again_and_again() -> None:
    found = told(story(loader(), rows(same_batch=39, distinct=32)), "data.same_batch")
    assert found.severity == "warning" and found.where == at(9)
    assert "the same batch 40 times, though it has 40" in found.title


def test_a_data_set_that_forgets_its_index() -> None:
    found = told(story(loader(), rows(one_row=40, same_batch=39, distinct=1)), "data.same_batch")
    assert "all 1,280 samples of 40 batches are the same one" in found.title


@pytest.mark.parametrize(
    "items",
    [
        (loader(length=1, samples=32), rows(same_batch=39, distinct=32)),  # one batch is the data set
        (loader(length=None), rows(same_batch=39, distinct=32)),  # a stream
        (loader(), rows(same_batch=20, distinct=700)),
        (loader(), rows(trained=False, same_batch=39, distinct=32)),
        (loader(), rows(pulls=3, batches=3, same_batch=2)),  # too few to say
        (loader(), rows(same_batch=39), events.Stage(t=START, name="overfit", action="begin")),
    ],
)
def test_batches_that_may_come_again(items: tuple[Any, ...]) -> None:
    assert "data.same_batch" not in story(*items).ids()


ORDERED = {"labels": {"0": 320, "1": 320, "2": 320, "3": 320}, "neighbours": 1279}


def test_labels_in_runs() -> None:
    found = told(story(loader(sampler="SequentialSampler"), rows(changes=3, **ORDERED)), "data.not_shuffled")
    assert found.evidence["expected_changes"] == pytest.approx(1279 * 0.75)


def test_labels_in_runs_are_told_from_the_data_set_after_two_batches() -> None:
    held = DatasetLabels(t=START, loader=0, rows=1280, changes=3, labels=ORDERED["labels"])  # type: ignore[arg-type]
    few = rows(pulls=2, batches=2, rows=64, distinct=64, labels={"0": 64}, neighbours=63)
    assert "data.not_shuffled" in story(loader(sampler="SequentialSampler"), few, held).ids()


@pytest.mark.parametrize(
    "items",
    [
        (loader(sampler="RandomSampler"), rows(changes=3, **ORDERED)),
        (loader(sampler="SequentialSampler"), rows(changes=960, **ORDERED)),
        (loader(sampler=""), rows(changes=3, **ORDERED)),  # iterable
        (loader(sampler="SequentialSampler"), rows(trained=False, changes=3, **ORDERED)),
    ],
)
def test_orders_that_are_sound(items: tuple[Any, ...]) -> None:
    assert "data.not_shuffled" not in story(*items).ids()


def leak(shared: int, **facts: Any) -> Story:
    held_out = rows(1, trained=False, rows=400, distinct=200, shared={"0": shared} if shared else {}, **facts)
    return story(loader(), loader(1, sampler="SequentialSampler"), rows(), held_out, evaluation())


def test_evaluation_rows_that_were_trained_on() -> None:
    found = told(leak(40), "data.leak")
    assert found.severity == "warning" and found.evidence["share"] == pytest.approx(0.2)
    assert found.where == at(10)


def test_evaluating_on_the_training_set_is_a_hint() -> None:
    assert told(leak(200), "data.leak").severity == "hint"


def test_all_of_what_was_looked_at_is_the_training_set_too() -> None:
    """Half of the training rows were hashed: half of the evaluation's found among them may be all of them."""
    half = story(
        loader(samples=2560), loader(1), rows(), rows(1, trained=False, distinct=200, shared={"0": 100}), evaluation()
    )
    assert told(half, "data.leak").severity == "hint"


@pytest.mark.parametrize("quiet", [leak(0), leak(2), leak(4), leak(100, bits=12.0)])
def test_rows_that_are_equal_by_nature(quiet: Story) -> None:
    assert "data.leak" not in quiet.ids()


def test_a_pass_over_training_data_says_so_by_its_name() -> None:
    known = story(
        loader(), loader(1), rows(), rows(1, trained=False, distinct=200, shared={"0": 200}), evaluation(name="train")
    )
    assert "data.leak" not in known.ids()


def scales(mean: float, std: float) -> Story:
    trained = rows(mean=[0.0] * 8, std=[1.0] * 8)
    return story(loader(), loader(1), trained, rows(1, False, mean=[mean] * 8, std=[std] * 8), evaluation())


@pytest.mark.parametrize(
    ("mean", "std", "how"), [(60.0, 30.0, "offset and scale"), (0.4, 0.2, "scale"), (4.0, 1.0, "offset")]
)
def test_evaluation_inputs_of_another_scale(mean: float, std: float, how: str) -> None:
    found = told(scales(mean, std), "data.eval_preprocessing")
    assert f"another {how} than" in found.title
    assert found.severity == ("hint" if how == "offset" else "warning")  # a trend has an offset, too


@pytest.mark.parametrize(("mean", "std"), [(0.0, 1.0), (0.8, 0.6), (-1.5, 1.9)])
def test_evaluation_inputs_that_differ_a_little(mean: float, std: float) -> None:
    assert "data.eval_preprocessing" not in scales(mean, std).ids()


def test_less_than_half_of_the_features_moved() -> None:
    trained = rows(mean=[0.0] * 8, std=[1.0] * 8)
    some = rows(1, False, mean=[9.0] * 3 + [0.0] * 5, std=[1.0] * 8)
    assert "data.eval_preprocessing" not in story(loader(), loader(1), trained, some, evaluation()).ids()


def test_a_column_that_is_the_label() -> None:
    assert "column 6" in told(story(loader(), rows(copies=[6], looked_for_copies=256)), "data.target_in_input").title
    assert "data.target_in_input" not in story(loader(), rows(looked_for_copies=256)).ids()
