"""Which samples the model is least sure of, read off the loss."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")
functional = torch.nn.functional

from dlmon_probes.training import doubtful  # noqa: E402


def samples(loss: object) -> list[tuple[int, float, float | None, float | None]]:
    found = doubtful.ranked(loss)
    rows = found.samples(found.vectors[0].tolist(), None)
    return [(row.row, round(row.value or 0.0, 3), row.target, row.predicted) for row in rows]


def test_classes_with_one_that_is_not_asked_for() -> None:
    chances = torch.tensor([[0.7, 0.2, 0.1], [0.1, 0.8, 0.1], [0.3, 0.3, 0.4]])
    logits = chances.log().requires_grad_()
    loss = functional.cross_entropy(logits, torch.tensor([1, 1, -100]))
    assert samples(loss) == [(0, 0.2, 1.0, 0.0), (1, 0.8, 1.0, 1.0), (2, 2.0, -100.0, 2.0)]


def test_pixels_are_averaged_over_those_that_count() -> None:
    chances = torch.tensor([0.9, 0.1])[None, :, None, None].expand(2, 2, 2, 2)
    target = torch.zeros(2, 2, 2, dtype=torch.long)
    target[1, 0, 0] = 1
    target[1, 1] = -100
    loss = functional.cross_entropy(chances.log().clone().requires_grad_(), target)
    assert samples(loss) == [(1, 0.5, None, None), (0, 0.9, None, None)]


def test_yes_or_no_and_errors() -> None:
    logits = torch.tensor([[2.0], [-2.0]], requires_grad=True)
    loss = functional.binary_cross_entropy_with_logits(logits, torch.ones(2, 1))
    assert samples(loss) == [(1, 0.119, 1.0, 0.0), (0, 0.881, 1.0, 1.0)]
    loss = functional.mse_loss(torch.tensor([1.0, 5.0, 2.0], requires_grad=True), torch.zeros(3))
    assert samples(loss) == [(1, 25.0, 0.0, 5.0), (2, 4.0, 0.0, 2.0), (0, 1.0, 0.0, 1.0)]


def test_what_cannot_be_ranked() -> None:
    raw = functional.nll_loss(torch.randn(4, 3, requires_grad=True), torch.zeros(4, dtype=torch.long))
    found = doubtful.ranked(raw)
    assert (found.op, found.measure, found.vectors[0]) == ("NllLossBackward0", "", None), "these are no probabilities"
    assert doubtful.ranked(torch.randn(3, requires_grad=True).sum()).op == ""
    assert doubtful.ranked(torch.zeros(())).vectors == []
