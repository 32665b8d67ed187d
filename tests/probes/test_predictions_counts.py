"""The pure reductions under what models answered: any batches, any order of pieces, against plain Python."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dlmon_probes.events_predictions import CLASSES, LABELS, PIXELS, TOKENS, VALUES
from dlmon_probes.training import predictions_pairs, predictions_values
from dlmon_probes.training.class_names import class_names
from dlmon_probes.training.pass_batches import PassBatches
from dlmon_probes.training.predictions_answers import Confusion
from dlmon_probes.training.predictions_classes import ClassCounts
from dlmon_probes.training.predictions_hardest import MOST, Hardest
from dlmon_probes.training.predictions_pairs import Pair, pair_of
from dlmon_probes.training.predictions_values import Residuals, ValueCounts

torch = pytest.importorskip("torch")
quick = settings(max_examples=40, deadline=None)


def read(counts: Any, most: int = 40_000, certain: bool = True) -> dict[str, Any]:
    values = [None if vector is None else vector.tolist() for vector in counts.vectors(most)]
    found: dict[str, Any] = counts.read(values, certain)
    return found


def batches_of(total: int, sizes: list[int]) -> list[slice]:
    found, at = [], 0
    for size in [*sizes, total]:
        if at < total:
            found.append(slice(at, min(total, at + size)))
            at += size
    return found


sizes = st.lists(st.integers(1, 30), max_size=6)


@quick
@given(st.integers(0, 2**31), st.integers(2, 7), st.integers(1, 150), sizes)
def test_classes_in_any_pieces(seed: int, classes: int, total: int, pieces: list[int]) -> None:
    torch.manual_seed(seed)
    logits, labels = torch.randn(total, classes), torch.randint(-1, classes, (total,))
    labels[labels < 0] = -100
    pair = pair_of("ce", logits, labels, total)
    assert isinstance(pair, Pair) and pair.task == CLASSES
    counts = ClassCounts(pair)
    for piece in batches_of(total, pieces):
        one = pair_of("ce", logits[piece], labels[piece], 0)
        assert isinstance(one, Pair)
        assert counts.add(one, piece.start, 1, 0) == piece.stop - piece.start
    found = read(counts)
    said = logits.argmax(1).tolist()
    kept = [i for i, label in enumerate(labels.tolist()) if label >= 0]
    if not kept:
        assert found == {"reason": "no target was a class that counts"}
        return
    table: dict[tuple[int, int], int] = {}
    for i in kept:
        key = (int(labels[i]), said[i])
        table[key] = table.get(key, 0) + 1
    assert {(a, b): n for a, b, n in found["confusion"]} == table
    assert sum(n for _, _, n in found["confusion"]) == len(kept) == sum(row[0] for row in found["confidence_bins"])
    right = [i for i in kept if labels[i] == said[i]]
    assert found["right"] == pytest.approx(len(right) / len(kept))
    order = torch.argsort(logits, dim=1, descending=True).tolist()
    for k, share in found["top"].items():
        assert share == pytest.approx(sum(int(labels[i]) in order[i][: int(k)] for i in kept) / len(kept))
    wrong = {i for i in kept if i not in right}
    assert len(found["wrong"]) == min(MOST, len(wrong)) and {sample["row"] for sample in found["wrong"]} <= wrong
    sure = [sample["confidence"] for sample in found["wrong"]]
    assert sure == sorted(sure, reverse=True)
    for sample in found["wrong"]:
        p = torch.softmax(logits[sample["row"]], 0)
        assert sample["loss"] == pytest.approx(-math.log(p[sample["actual"]]), rel=1e-4, abs=1e-5)


@quick
@given(st.lists(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=90), min_size=1, max_size=6))
def test_the_hardest_of_any_stream(parts: list[list[float]]) -> None:
    hardest, seen = Hardest(), 0
    for part in parts:
        scores = torch.tensor(part, dtype=torch.float64)
        hardest.add(scores, [torch.arange(seen, seen + len(part))])
        seen += len(part)
    flat = [value for part in parts for value in part]
    rows = [int(row[0]) for row in Hardest.read(hardest.vector.tolist(), 1)]
    assert [flat[row] for row in rows] == sorted(flat, reverse=True)[:MOST]
    assert len(set(rows)) == len(rows)


@quick
@given(st.integers(1, 50), st.integers(1, 400), st.integers(0, 2**31))
def test_residuals_stay_bounded_and_even(room: int, total: int, seed: int) -> None:
    torch.manual_seed(seed)
    before = predictions_values.ROOM
    predictions_values.ROOM = room
    try:
        residuals, at = Residuals(), 0
        while at < total:
            size = int(torch.randint(1, 40, ()).item())
            residuals.add(torch.arange(at, min(total, at + size)).float())
            at += size
        kept = residuals.joined().tolist()
    finally:
        predictions_values.ROOM = before
    assert 1 <= len(kept) <= room or room == 0
    assert len({b - a for a, b in zip(kept, kept[1:])}) <= 1 and kept[0] == 0  # each k-th of the stream


@quick
@given(st.integers(0, 2**31), st.integers(1, 60), st.integers(1, 5), sizes)
def test_values_in_any_pieces(seed: int, total: int, width: int, pieces: list[int]) -> None:
    torch.manual_seed(seed)
    output, target = torch.randn(total, width) * 3, 1e4 + torch.randn(total, width)
    counts = ValueCounts(Pair(VALUES, output, target))
    for piece in batches_of(total, pieces):
        counts.add(Pair(VALUES, output[piece], target[piece]), piece.start, 1, 0)
    found = read(counts)
    residual = (output.double() - target.double()).flatten()
    assert found["mae"] == pytest.approx(residual.abs().mean().item(), rel=1e-9)
    assert found["rmse"] == pytest.approx(residual.square().mean().sqrt().item(), rel=1e-9)
    variance = (target.double() - target.double().mean()).square().sum().item()
    if variance > 1e-6:
        assert found["r2"] == pytest.approx(1 - residual.square().sum().item() / variance, rel=1e-5)
    for share, value in found["quantiles"].items():
        assert value == pytest.approx(torch.quantile(residual, float(share)).item(), abs=2e-3)


@quick
@given(st.integers(2, 12), st.integers(1, 144), st.integers(0, 2**31))
def test_a_cut_confusion_matrix_still_knows_its_sums(classes: int, most: int, seed: int) -> None:
    torch.manual_seed(seed)
    actual, said = torch.randint(classes, (300,)), torch.randint(classes, (300,))
    confusion = Confusion(classes, torch.device("cpu"))
    confusion.add(actual, said, torch.ones(300, dtype=torch.bool))
    found = Confusion.read([vector.tolist() for vector in confusion.vectors(most)], classes)
    told = sum(count for *_, count in found["confusion"])
    assert len(found["confusion"]) <= most and found["cut"] == 300 - told
    for a, b, n in found["confusion"]:
        assert n == int(((actual == a) & (said == b)).sum())
    if found["cut"]:
        assert found["actual_counts"] == torch.bincount(actual, minlength=classes).tolist()
        assert found["predicted_counts"] == torch.bincount(said, minlength=classes).tolist()


def tensor(*shape: int, whole: bool = False) -> Any:
    return torch.randint(2, shape) if whole else torch.randn(shape)


@pytest.mark.parametrize(
    ("kind", "output", "target", "rows", "task", "width"),
    [
        ("ce", (8, 5), (8,), 8, CLASSES, 1),
        ("ce", (24, 5), (24,), 8, TOKENS, 3),  # flattened before the loss
        ("ce", (2, 5, 6, 7), (2, 6, 7), 2, PIXELS, 1),
        ("ce_last", (4, 3, 5), (4, 3), 4, TOKENS, 3),
        ("ce_last", (12, 5), (4, 3), 4, TOKENS, 3),
        ("ce_shifted", (4, 3, 5), (4, 3), 4, TOKENS, 3),
        ("ce_last", (2, 6, 7, 5), (2, 6, 7), 2, PIXELS, 1),
        ("bce_logits", (8, 1), (8, 1), 8, CLASSES, 1),
        ("bce", (8,), (8,), 8, CLASSES, 1),
        ("bce_logits", (8, 4), (8, 4), 8, LABELS, 1),
        ("bce_logits", (2, 1, 6, 7), (2, 1, 6, 7), 2, PIXELS, 1),
        ("values", (8, 1), (8,), 8, VALUES, 1),
        ("mse", (2, 3, 6), (2, 3, 6), 2, VALUES, 1),
    ],
)
def test_shapes_of_each_task(kind: str, output: Any, target: Any, rows: int, task: str, width: int) -> None:
    whole = kind.startswith("ce")
    pair = pair_of(kind, tensor(*output).sigmoid(), tensor(*target, whole=whole), rows)
    assert isinstance(pair, Pair), pair
    assert (pair.task, pair.width, pair.samples) == (task, width, rows)
    assert pair.outputs.shape[0] == pair.targets.shape[0]


@pytest.mark.parametrize(
    ("kind", "output", "target", "whole"),
    [
        ("ce", (8, 5), (7,), True), ("ce", (8, 5), (8, 5), False), ("ce", (8, 1), (8,), True),
        ("values", (8, 3), (8, 2), False), ("bce_logits", (2, 3, 6, 7), (2, 3, 6, 7), False),
    ],
)  # fmt: skip
def test_what_does_not_go_together_is_told_in_words(kind: str, output: Any, target: Any, whole: bool) -> None:
    found = pair_of(kind, tensor(*output), tensor(*target, whole=whole), 8)
    assert isinstance(found, str) and len(found) > 20


def test_shifted_tokens_are_compared_with_the_next_ones() -> None:
    labels = torch.tensor([[0, 1, 2], [2, 0, 1]])
    logits = torch.nn.functional.one_hot(torch.tensor([[1, 2, 0], [0, 1, 2]]), 3).float() * 9
    pair = pair_of("ce_shifted", logits, labels, 2)
    assert isinstance(pair, Pair)
    counts = ClassCounts(pair)
    counts.add(pair, 0, 1, 0)
    found = read(counts)
    assert (found["right"], found["positions"]) == (1.0, 4)


def test_targets_that_are_no_classes() -> None:
    labels = torch.tensor([0, 1, 2, 255])
    for certain in (True, False):
        pair = pair_of("ce", torch.randn(4, 3), labels, 4, certain=certain)
        assert isinstance(pair, Pair)
        counts = ClassCounts(pair)
        counts.add(pair, 0, 1, 0)
        found = read(counts, certain=certain)
        if certain:  # the loss took them: they are a label to be ignored
            assert sum(n for *_, n in found["confusion"]) == 3
        else:
            assert found == {"reason": "what looked like targets goes beyond the 3 outputs: 1 of them"}
    soft = pair_of("bce_logits", torch.randn(4, 1), torch.tensor([0.0, 1.0, 0.3, 1.0]), 4)
    assert isinstance(soft, Pair)
    counts = ClassCounts(soft)
    counts.add(soft, 0, 1, 0)
    assert "not all 0 or 1" in read(counts)["reason"]


def test_outputs_that_are_not_finite_are_counted_as_wrong() -> None:
    pair = Pair(CLASSES, torch.full((4, 3), float("nan")), torch.tensor([0, 1, 2, 1]))
    counts = ClassCounts(pair)
    counts.add(pair, 0, 1, 0)
    found = read(counts)
    assert sum(n for *_, n in found["confusion"]) == 4
    assert all(math.isnan(sample["confidence"]) for sample in found["wrong"])


def test_criteria_by_their_class() -> None:
    class Own(torch.nn.CrossEntropyLoss):
        pass

    logits, labels = torch.randn(8, 3), torch.randint(3, (8,))
    pair = predictions_pairs.of_criterion(Own(ignore_index=2), (logits, labels), 8)
    assert isinstance(pair, Pair) and (pair.ignored, pair.task) == (2, CLASSES)
    assert predictions_pairs.of_criterion(torch.nn.CosineEmbeddingLoss(), (logits, logits, labels), 8) is None
    assert isinstance(predictions_pairs.of_criterion(torch.nn.CrossEntropyLoss(), (logits, logits.softmax(1)), 8), str)


def test_names_of_classes_without_calling_anything() -> None:
    class Pictures:
        classes = ("cat", "dog")

        @property
        def class_names(self) -> list[str]:
            raise AssertionError("called")

    class Part:
        def __init__(self, dataset: Any) -> None:
            self.dataset = dataset

        def __getattr__(self, name: str) -> Any:
            raise AssertionError(f"asked for {name}")

    assert class_names(Pictures(), 2) == ["cat", "dog"]
    assert class_names(Part(Part(Pictures())), 2) == ["cat", "dog"]
    assert class_names(Part(Pictures()), 3) == class_names(object(), 2) == class_names(None, 2) == []


def test_rows_of_a_pass_know_their_index() -> None:
    from dlmon_probes.training.loss_formula import Forward
    from dlmon_probes.training.structures import Leaf

    def forward(batch: Any, earlier: Any, given: Any) -> Forward:
        return Forward(lambda: None, [], [Leaf("", given)], [Leaf("", batch)], [Leaf("", earlier)])

    at = PassBatches(alone=False)
    one, two, moved = torch.zeros(2), torch.zeros(2), torch.zeros(2)
    at.pulled([7, 3])
    at.pulled([5])
    assert at.called(forward(two, one, one), 2) and at.ahead and at.number == 0
    assert not at.called(forward(two, one, one), 2)  # a second call for the same batch
    at.ended()
    assert at.called(forward(moved, two, two), 1) and at.number == 1
    assert [at.index_of(row) for row in range(4)] == [7, 3, 5, None]
    other = PassBatches(alone=False)
    for numbers in ([1, 2], None):
        other.pulled(numbers)
        assert other.called(forward(one, two, moved), 2)  # on another device: one batch for each pull
    assert [other.index_of(row) for row in range(4)] == [1, 2, None, None]
