"""Labels of one class, of one class mostly, and targets cut to whole numbers; and their sound look-alikes."""

from __future__ import annotations

from typing import Any

import pytest

from dlmon_probes import events
from dlmon_probes.events_data import Truncated
from tests.builders import START, Story, tensor, told
from tests.checks.test_data_rows import loader, rows


def classes(labels: dict[str, int], **facts: Any) -> events.LossFacts:
    given = {"classes": 2, "ignore_index": -100} | facts
    return events.LossFacts(op="NllLossBackward0", labels=labels, target=tensor([32], "int64"), **given)


def story(*items: Any, losses: list[events.LossFacts], series: int = 1) -> Story:
    made = Story().model({"w": [4, 4]})
    for index in range(series):
        made.series(index, line=20 + index)
        for step, loss in enumerate(losses):
            made.graph([(loss.op, [], {})], step=step, series=index, losses=[loss])
    return made.losses([1.0] * 40).add(loader(), *items)


def test_one_class_only() -> None:
    found = told(story(rows(labels={"0": 1280}), losses=[classes({"0": 32})] * 2), "data.label_constant")
    assert "all 1,280 labels seen so far are 0" in found.title


@pytest.mark.parametrize(
    ("labels", "in_loss"),
    [
        ({"0": 640, "1": 640}, {"0": 16, "1": 16}),
        ({"0": 1280}, {"0": 16, "1": 16}),  # the loss has other labels than the loader: pseudo-labels
        ({"0": 32}, {"0": 32}),  # few
    ],
)
def test_more_than_one_class(labels: dict[str, int], in_loss: dict[str, int]) -> None:
    assert "data.label_constant" not in story(rows(labels=labels), losses=[classes(in_loss)] * 2).ids()


def test_one_class_only_without_a_loader() -> None:
    def by_hand(labels: list[dict[str, int]]) -> list[str]:
        made = Story().model({"w": [4, 4]}).series()
        for step, counts in enumerate(labels):
            made.graph([("NllLossBackward0", [], {})], step=step, losses=[classes(counts)])
        return made.losses([1.0] * 40).ids()

    assert "data.label_constant" in by_hand([{"1": 32}] * 5)
    assert "data.label_constant" not in by_hand([{"1": 32}] * 4 + [{"0": 32}])
    assert "data.label_constant" not in by_hand([{"1": 32}] * 3)


def test_labels_that_no_loss_uses() -> None:
    picture = events.LossFacts(op="MseLossBackward0", target=tensor([32, 64], min=0.0, max=1.0))
    assert "data.label_constant" not in story(rows(labels={"0": 1280}), losses=[picture] * 2).ids()


FEW = {"0": 1250, "1": 30}


def test_a_rare_class_is_a_hint() -> None:
    found = told(story(rows(labels=FEW), losses=[classes({"0": 31, "1": 1})]), "data.class_imbalance")
    assert found.severity == "hint" and found.evidence["ratio"] == pytest.approx(1250 / 30)


@pytest.mark.parametrize(
    ("labels", "facts"),
    [
        ({"0": 1000, "1": 280}, {}),
        (FEW, {"weighted": True}),
        ({"0": 290, "1": 10}, {}),  # fewer than 500
        (FEW | {"7": 5}, {}),  # counts rather than classes: the loss has two
    ],
)
def test_uneven_counts_that_are_no_matter(labels: dict[str, int], facts: dict[str, Any]) -> None:
    quiet = story(rows(labels=labels), losses=[classes({"0": 30, "1": 2}, **facts)])
    assert "data.class_imbalance" not in quiet.ids()


def regression(mean: float, low: float, high: float, *, integers: bool = True) -> events.LossFacts:
    target = tensor([40, 1], mean=mean, min=low, max=high, integers=integers)
    return events.LossFacts(op="MseLossBackward0", target=target)


def cut(mean: float = 0.9, low: float = 0.0, high: float = 2.0) -> Truncated:
    floats = tensor([40, 1], mean=1.4, min=0.07, max=2.9)
    return Truncated(START, 0, 0, "[1]", floats, mean, low, high)


def test_floats_cut_to_whole_numbers() -> None:
    found = told(story(cut(), rows(), losses=[regression(0.9, 0.0, 2.0)]), "data.target_truncated")
    assert "0.07 … 2.9 are cut to whole numbers 0 … 2" in found.title


def test_floats_that_stay_or_are_sorted_into_classes() -> None:
    stays = story(cut(), rows(), losses=[regression(1.4, 0.07, 2.9, integers=False)])
    sorted_in = story(cut(), rows(), losses=[regression(0.6, 0.0, 1.0)])
    assert "data.target_truncated" not in stays.ids() + sorted_in.ids()


def test_a_constant_regression_target() -> None:
    zero = [regression(0.0, 0.0, 0.0)] * 2
    assert (
        "every regression target is 0"
        in told(story(rows(labels={"0": 1280}), losses=zero), "data.target_truncated").title
    )


def test_the_constant_targets_of_two_opposing_losses() -> None:
    real = [regression(1.0, 1.0, 1.0)] * 2
    assert "data.target_truncated" not in story(rows(labels={"1": 1280}), losses=real, series=2).ids()
