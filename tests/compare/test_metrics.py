"""Readings, their noise, and what exceeds it."""

from __future__ import annotations

import math
import random
from pathlib import Path

import pytest

from dlmon.compare import noise
from dlmon.compare.comparison import compared
from dlmon.compare.metrics import AT_STEP, END, delta, higher_is_better, metrics
from dlmon.compare.seeds import groups
from dlmon.compare.text import _legend
from tests.compare.sides import falling, folder_of, side, story


def test_noise_is_what_is_left_beside_the_trend() -> None:
    assert noise.detrended([1.0, 2.0, 3.0, 4.0, 5.0]) == 0.0
    assert noise.detrended([1.0, 2.0, 3.0]) is None
    wobble = noise.detrended([0.1 * at + (-1) ** at for at in range(100)])
    assert wobble is not None and 0.9 < wobble < 1.1


def test_a_curve_is_judged_by_the_means_of_its_parts() -> None:
    draw = random.Random(1)
    values = [1.0 + draw.gauss(0, 0.4) for _ in range(4000)]
    value, found = noise.settled(values)
    assert value is not None and abs(value - 1.0) < 0.15
    # 125 values to a part: 0.4 / sqrt(125) = 0.036, not the 0.4 of single batches.
    assert found is not None and 0.01 < found < 0.09
    assert noise.settled([1.0, 2.0]) == (2.0, None)
    assert noise.settled([]) == (None, None)


def test_beyond_the_noise() -> None:
    assert noise.beyond(1.0, 0.1, 0.1) is True
    assert noise.beyond(0.2, 0.1, 0.1) is False
    assert noise.beyond(1.0, None, None) is None
    assert noise.beyond(0.25, 0.1, None) is False  # the unknown one is taken to be as noisy
    assert noise.factor_of(1) > noise.factor_of(4) > noise.factor_of(100) == noise.FACTOR


def test_two_runs_of_the_same_noise_are_not_told_apart_and_better_ones_are(tmp_path: Path) -> None:
    draw = random.Random(3)

    def losses(end: float) -> list[float]:
        return [end + math.exp(-step / 100) + draw.gauss(0, 0.05) for step in range(2000)]

    ends = {"a": 0.3, "b": 0.3, "c": 0.2}
    sides = [
        side(letter, folder_of(tmp_path / name, story(losses(end))))
        for letter, (name, end) in zip("ABC", ends.items(), strict=True)
    ]
    (row,) = [row for row in metrics(sides) if row.name == "train loss" and row.what == END]
    assert delta(row, 1).beyond is False
    better = delta(row, 2)
    assert better.beyond is True and better.better is True
    assert better.share is not None and -0.4 < better.share < -0.25


def test_runs_of_different_lengths_are_compared_where_both_have_been(tmp_path: Path) -> None:
    long = side("A", folder_of(tmp_path / "long", story(falling(400), [0.5, 0.4, 0.3, 0.2])))
    short = side("B", folder_of(tmp_path / "short", story(falling(200), [0.5, 0.4])))
    rows = {(row.name, row.what): row for row in metrics([long, short])}
    assert rows["val loss", AT_STEP].step == 200
    assert [reading.value for reading in rows["val loss", AT_STEP].readings] == [0.4, 0.4]
    assert [reading.value for reading in rows["val loss", END].readings] == [0.2, 0.4]
    assert rows["train loss", AT_STEP].readings[0].value == rows["train loss", AT_STEP].readings[1].value


def test_a_run_without_an_evaluation_or_a_loss(tmp_path: Path) -> None:
    one = side("A", folder_of(tmp_path / "one", story(falling(), [0.4, 0.3])))
    bare = side("B", folder_of(tmp_path / "bare", story([]), code=1))
    comparison = compared([one, bare])
    row = next(row for row in comparison.metrics if row.name == "val loss")
    assert row.readings[1].value is None and delta(row, 1).difference is None


def test_a_loss_that_became_nan_is_worse_beyond_doubt(tmp_path: Path) -> None:
    one = side("A", folder_of(tmp_path / "one", story(falling())))
    broken = side("B", folder_of(tmp_path / "broken", story([*falling(100), *[float("nan")] * 100])))
    row = next(row for row in metrics([one, broken]) if row.name == "train loss" and row.what == END)
    found = delta(row, 1)
    assert (found.beyond, found.better) == (True, False)


def test_what_is_better_by_name() -> None:
    assert higher_is_better("val accuracy") is True
    assert higher_is_better("train/kl_loss") is False
    assert higher_is_better("learning rate") is None


def test_runs_that_share_all_but_the_seed_are_one_group(tmp_path: Path) -> None:
    def run(name: str, lr: str, seed: str, end: float) -> Path:
        argv = ("train.py", "--lr", lr, "--seed", seed)
        return folder_of(tmp_path / name, story(falling(end=end)), argv=argv)

    ends = [("0.1", "0", 0.20), ("0.1", "1", 0.26), ("0.2", "0", 0.80), ("0.2", "1", 0.83)]
    folders = [run(f"r{at}", *three) for at, three in enumerate(ends)]
    comparison = compared([side(letter, folder) for letter, folder in zip("ABCD", folders, strict=True)])
    assert [list(group.members) for group in comparison.seeds] == [[0, 1], [2, 3]]
    (row,) = [row for row in comparison.over_seeds if row.name == "train loss"]
    assert [round(reading.value or 0, 2) for reading in row.readings] == [0.23, 0.82]
    assert delta(row, 1).beyond is True
    # Within a group every difference is noise, however clear the two curves are.
    (each,) = [row for row in comparison.metrics if row.name == "train loss" and row.what == END]
    assert delta(each, 1).beyond is False and delta(each, 2).beyond is True


def test_groups() -> None:
    assert [group.members for group in groups(4, lambda one, two: one % 2 == two % 2)] == [(0, 2), (1, 3)]


@pytest.mark.parametrize(("evaluations", "sign"), [([0.5, 0.4, 0.45, 0.41, 0.44], "~"), ([0.5, 0.4], "?")])
def test_a_legend_says_what_noise_is(tmp_path: Path, evaluations: list[float], sign: str) -> None:
    """A sign other than the star explains itself too."""
    losses = falling(40)
    other = [value + 0.001 for value in evaluations]
    sides = [
        side(letter, folder_of(tmp_path / letter, story(losses, values)))
        for letter, values in (("A", evaluations), ("B", other))
    ]
    shown = _legend([row for row in metrics(sides) if row.name == "val loss"])
    assert shown[0].startswith("Noise: how far a run's own last values lie from a straight line")
    assert shown[1].startswith(f"{sign} ") and "that noise" not in shown[1]
