"""What reaches the first layer, and the data set as a program: faults and their sound look-alikes."""

from __future__ import annotations

from typing import Any

import pytest

from dlmon_probes import events
from dlmon_probes.events_data import DatasetChange, FirstInput, WorkerRandom
from tests.builders import START, Story, at, named, tensor, told
from tests.checks.test_data_rows import loader, rows


def first(cls: str = "Conv2d", layers: tuple[str, ...] = ("ReLU",), **facts: Any) -> list[FirstInput]:
    more = {name: facts.pop(name) for name in ("batch_first", "rows", "mean", "std") if name in facts}
    shape = facts.pop("shape", [32, 1, 8, 8])
    seen = tensor(shape, **facts.pop("stats", {}), **facts)
    return [FirstInput(START, step, "conv", cls, seen, [cls, *layers], **more) for step in range(3)]


def story(*items: Any) -> Story:
    return Story().model({"w": [4, 4]}).series().losses([1.0] * 60).add(loader(), rows(), *items)


PIXELS = {"min": 0.0, "max": 255.0, "integers": True}


def test_pixels_that_were_not_scaled() -> None:
    found = told(story(*first(stats={"mean": 90.0, "std": 60.0} | PIXELS)), "data.range")
    assert "from 0 to 255" in found.title and found.where == at(9)


@pytest.mark.parametrize(
    "given",
    [
        first(stats={"min": 0.0, "max": 1.0, "mean": 0.4, "std": 0.3}),
        first(layers=("BatchNorm2d", "ReLU"), stats={"mean": 90.0, "std": 60.0} | PIXELS),
        first("Embedding", stats={"mean": 90.0, "std": 60.0} | PIXELS),
        first("BatchNorm1d", stats={"min": 0.0, "max": 1e5, "mean": 5e4, "std": 1e4}),
        first("Linear", stats={"min": 0.0, "max": 200.0, "mean": 4.0, "std": 9.0, "integers": True}),  # counts
        first("Linear", stats={"min": 1.0, "max": 1.0, "mean": 1.0, "std": 0.0}),  # a constant 1 as only feature
    ],
)
def test_inputs_that_are_sound(given: list[FirstInput]) -> None:
    assert "data.range" not in story(*given).ids()


def test_a_table_that_was_not_standardised() -> None:
    large = first("Linear", stats={"min": 0.0, "max": 9e4, "mean": 2e4, "std": 2.5e4})
    far = first("Linear", stats={"min": 9.0, "max": 99.0, "mean": 50.0, "std": 40.0}, mean=[50.0, 90.0], std=[0.5, 1.0])
    zero = first("Linear", stats={"min": 0.0, "max": 0.0, "mean": 0.0, "std": 0.0})
    assert told(story(*large), "data.range").severity == "warning"
    assert told(story(*far), "data.range").severity == "hint"
    assert "nothing but zeros" in told(story(*zero), "data.range").title


def test_the_batch_taken_for_the_time() -> None:
    wrong = first("GRU", shape=[32, 20, 4], batch_first=False, rows=32)
    assert "batch_first is False" in told(story(*wrong), "data.shape_layout").title
    for sound in (
        first("GRU", shape=[32, 20, 4], batch_first=True, rows=32),
        first("GRU", shape=[20, 32, 4], batch_first=False, rows=20),  # collated with time first
        first("GRU", shape=[32, 32, 4], batch_first=False, rows=32),  # cannot be told apart
    ):
        assert "data.shape_layout" not in story(*sound).ids()


def test_a_crash_over_numpys_default_type() -> None:
    batch = events.Batch(START, 0, 0, [named("[0]", [32, 6], "float64"), named("[1]", [32], "int64")])
    message = "mat1 and mat2 must have the same dtype, but got Double and Float"
    found = told(story(batch).crash("RuntimeError", message), "data.dtype")
    assert "[0] is float64" in found.title and found.where == at(9)
    assert "data.dtype" not in story(batch).ids()
    assert "data.dtype" not in story(batch).crash("RuntimeError", "out of memory").ids()


def changes(shares: list[tuple[float, float, float]]) -> list[DatasetChange]:
    return [
        DatasetChange(START + n, n, 0, n + 2, "signals", changed, again, 0.0, std)
        for n, (changed, again, std) in enumerate(shares)
    ]


def test_a_data_set_that_changes_itself() -> None:
    drift = changes([(1.0, 0.0, 1.0), (1.0, 1.0, 1.1), (1.0, 1.0, 1.2)])
    assert "spread 1 → 1.2 in 2 passes" in told(story(*drift), "data.mutated").title


@pytest.mark.parametrize(
    "given",
    [
        changes([(1.0, 0.0, 1.0)]),  # a cache
        changes([(0.5, 0.0, 1.0), (0.5, 0.0, 1.2), (0.1, 0.0, 1.4)]),  # filled bit by bit
        changes([(1.0, 0.0, 1.0), (1.0, 1.0, 1.01), (1.0, 1.0, 0.99), (1.0, 1.0, 1.0)]),  # refilled
    ],
)
def test_data_sets_that_may_change(given: list[DatasetChange]) -> None:
    assert "data.mutated" not in story(*given).ids()


@pytest.mark.parametrize("how", ["generator", "seed"])
def test_workers_that_draw_the_same_numbers(how: str) -> None:
    source = WorkerRandom(START, 0, 2, how, "rng", at(14))
    assert told(story(loader(workers=2), source), "data.augment_repeats").where == at(14)
    assert "data.augment_repeats" not in story(loader(workers=2)).ids()


def timed(wait: float, dt: float) -> Story:
    made = Story().model({"w": [4, 4]}).series().losses([1.0] * 60, wait=[wait] * 60, dt=[dt] * 60)
    return made.add(loader(), rows())


def test_waiting_for_data() -> None:
    found = told(timed(0.03, 0.04), "data.loader_bound")
    assert found.severity == "hint" and "75%" in found.title and "num_workers=4" in found.advice
    assert "data.loader_bound" not in timed(0.01, 0.04).ids() + timed(0.003, 0.004).ids()
