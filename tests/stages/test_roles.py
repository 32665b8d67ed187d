"""Which tensor of a batch is what: told by values, on the losses that scripts write."""

from __future__ import annotations

from typing import Any, Callable

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from dlmon_probes.stages.data import batches
from dlmon_probes.stages.data.roles import Roles, roles_of
from dlmon_probes.training import structures

torch.manual_seed(0)


def found(batch: Any, loss: torch.Tensor, *given: torch.Tensor) -> Roles:
    return roles_of(batches.leaves_of(batch), loss, [structures.Leaf(f"[{i}]", one) for i, one in enumerate(given)])


def linear(inputs: int, outputs: int) -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(inputs, outputs))


X, Y = torch.randn(16, 6), torch.randint(0, 4, (16,))
NET, ONE = linear(6, 4), linear(6, 1)
NOISE = torch.randn(16, 6)


@pytest.mark.parametrize(
    "loss",
    [
        lambda: F.cross_entropy(NET(X), Y),
        lambda: F.cross_entropy(NET(X), Y, label_smoothing=0.1, weight=torch.ones(4)),
        lambda: F.cross_entropy(NET(X), F.one_hot(Y, 4).float()),
        lambda: -F.log_softmax(NET(X), 1)[torch.arange(16), Y].mean() / 4,
        lambda: -NET(X).log_softmax(1).gather(1, Y[:, None]).mean(),
        lambda: F.multi_margin_loss(NET(X), Y),
        lambda: F.cross_entropy(NET((X - X.mean()) / X.std()), Y) + 1e-4 * NET[1].weight.pow(2).sum(),
    ],
)
def test_labels_are_found_in_every_form_of_the_loss(loss: Callable[[], torch.Tensor]) -> None:
    roles = found({"x": X, "y": Y, "row": torch.arange(16)}, loss(), X)
    assert roles.kind == "classification"
    assert roles.by_path() == {"['x']": "input", "['y']": "labels", "['row']": "as it is"}


def test_width_and_rows_are_known() -> None:
    roles = found((X, Y), F.cross_entropy(NET(X), Y), X)
    assert (roles.targets[0].classes, roles.targets[0].ignore, roles.rows) == (4, -100, 16)


@pytest.mark.parametrize(
    ("target", "loss", "kind"),
    [
        (Y % 2, lambda y: F.binary_cross_entropy_with_logits(ONE(X)[:, 0], y.float()), "classification"),
        ((NOISE[:, :4] > 0).float(), lambda y: F.binary_cross_entropy_with_logits(NET(X), y), "multilabel"),
        (NOISE[:, 0], lambda y: F.mse_loss(ONE(X)[:, 0], y), "regression"),
        (NOISE[:, 0], lambda y: F.huber_loss(ONE(X), (y[:, None] - 3) / 2), "regression"),
        (NOISE[:, 0], lambda y: ((ONE(X)[:, 0] - y) ** 2).mean(), "regression"),
        (NOISE[:, 0], lambda y: (ONE(X)[:, 0] - y).abs().sum(), "regression"),
        (NOISE[:, 0], lambda y: F.mse_loss(ONE(X), y), "regression"),  # (16, 1) against (16,): broadcast
        (F.one_hot(Y, 4), lambda y: F.cross_entropy(NET(X), y.argmax(1)), "classification"),
    ],
)
@pytest.mark.filterwarnings("ignore:Using a target size")
def test_kinds_of_targets(target: torch.Tensor, loss: Callable[[torch.Tensor], torch.Tensor], kind: str) -> None:
    roles = found([X, target], loss(target), X)
    assert roles.kind == kind, roles.reason
    assert [one.path for one in roles.targets] == ["[1]"]
    assert roles.inputs == ["[0]"]


IDS = torch.randint(3, 50, (8, 12))
WORDS = nn.Sequential(nn.Embedding(50, 8), nn.Linear(8, 50))


def text_loss(ids: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    return F.cross_entropy(WORDS(ids).flatten(0, 1), target.flatten())


@pytest.mark.parametrize(
    ("batch", "loss"),
    [
        ((IDS[:, :-1], IDS[:, 1:]), lambda: text_loss(IDS[:, :-1], IDS[:, 1:])),
        (IDS, lambda: text_loss(IDS[:, :-1], IDS[:, 1:])),
        (
            {"input_ids": IDS, "labels": IDS.clone()},
            lambda: text_loss(IDS, F.pad(IDS[:, 1:], (0, 1), value=-100)),
        ),
        ((IDS[:, :-1].t(), IDS[:, 1:].t()), lambda: text_loss(IDS[:, :-1].t(), IDS[:, 1:].t())),
    ],
    ids=["pairs", "rows", "labels that copy", "time first"],
)
def test_next_tokens(batch: Any, loss: Callable[[], torch.Tensor]) -> None:
    assert found(batch, loss()).kind == "tokens"


def test_several_targets_are_all_found() -> None:
    value = torch.randn(16)
    loss = F.cross_entropy(NET(X), Y) + 0.5 * F.mse_loss(ONE(X)[:, 0], value)
    roles = found({"x": X, "y": Y, "value": value}, loss, X)
    assert {one.path: one.kind for one in roles.targets} == {"['y']": "classification", "['value']": "regression"}


def test_masks_and_reconstruction() -> None:
    images, mask = torch.rand(4, 3, 8, 8), torch.randint(0, 2, (4, 8, 8))
    net = nn.Conv2d(3, 2, 1)
    assert found([images, mask], F.cross_entropy(net(images), mask), images).kind == "mask"
    rebuild = nn.Conv2d(3, 3, 1)
    roles = found([images, torch.zeros(4)], F.mse_loss(rebuild(images), images), images)
    assert roles.by_path() == {"[0]": "input", "[1]": "as it is"}


@pytest.mark.parametrize(
    ("batch", "loss", "reason"),
    [
        ((X, Y), lambda: F.mse_loss(linear(6, 6)(X + NOISE), NOISE), "no tensor of the batch is the target"),
        ({"edge_index": Y, "x": X}, lambda: F.cross_entropy(NET(X), Y), "a graph"),
        ((X, Y), lambda: NET(X).logsumexp(1).mean(), "no tensor of the batch is the target"),
        ((Y,), lambda: F.cross_entropy(NET(X), Y), "besides the target"),
    ],
)
def test_what_is_not_told_is_called_unknown(batch: Any, loss: Callable[[], torch.Tensor], reason: str) -> None:
    roles = found(batch, loss(), X)
    assert roles.kind == "unknown"
    assert reason in roles.reason
