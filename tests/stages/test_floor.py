"""The floor of a loss is what the best possible prediction reaches: found by LBFGS on the prediction itself."""

from __future__ import annotations

import math
from typing import Any, Callable

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from dlmon_probes.stages.losses.floor import floor_of
from dlmon_probes.training import tensors
from dlmon_probes.training.loss_facts import LossReader

torch.manual_seed(0)
Y, Y2 = torch.tensor([0, 1, 2, 3]), torch.tensor([1, 1, 2, 0])
IGNORED = torch.tensor([0, -100, 2, 3])
P = torch.softmax(torch.randn(4, 5), 1)
HARD = (P > 0.2).float()
W = torch.rand(5) + 0.1

Loss = Callable[[torch.Tensor], torch.Tensor]

KNOWN: dict[str, tuple[Loss, str]] = {
    "hard labels": (lambda x: F.cross_entropy(x, Y), "hard labels"),
    "class weights": (lambda x: F.cross_entropy(x, Y, weight=W), "hard labels with weights"),
    "smoothing": (lambda x: F.cross_entropy(x, Y, label_smoothing=0.1), "label smoothing 0.1 over 5 classes"),
    "smoothing, sum": (
        lambda x: F.cross_entropy(x, Y, label_smoothing=0.2, reduction="sum") / 7,
        "label smoothing 0.2 over 5 classes",
    ),
    "smoothing, weights": (lambda x: F.cross_entropy(x, Y, label_smoothing=0.1, weight=W), "soft labels"),
    "smoothing, ignored": (lambda x: F.cross_entropy(x, IGNORED, label_smoothing=0.1), "label smoothing 0.1"),
    "smoothing by places": (
        lambda x: F.cross_entropy(x.reshape(2, 5, 2, 1), torch.zeros(2, 2, 1).long(), label_smoothing=0.1),
        "label smoothing 0.1",
    ),
    "probabilities": (lambda x: F.cross_entropy(x, P), "soft labels over 5 classes"),
    "probabilities, weights": (lambda x: F.cross_entropy(x, P, weight=W, label_smoothing=0.1), "soft labels"),
    "mixup": (lambda x: 0.3 * F.cross_entropy(x, Y) + 0.7 * F.cross_entropy(x, Y2), "soft labels"),
    "by hand, picked": (lambda x: -F.log_softmax(x, 1)[range(4), Y].mean(), "hard labels"),
    "by hand, gathered": (lambda x: -F.log_softmax(x, 1).gather(1, Y[:, None]).mean(), "hard labels"),
    "by hand, soft": (lambda x: -(P * F.log_softmax(x, 1)).sum(1).mean(), "soft labels"),
    "log of softmax": (lambda x: F.nll_loss(torch.log(torch.softmax(x, 1)), Y), "hard labels"),
    "masked": (lambda x: (F.cross_entropy(x, Y, reduction="none") * torch.tensor([1.0, 0, 1, 1])).sum() / 3, "hard"),
    "rows one by one": (lambda x: torch.stack([F.cross_entropy(x[i], Y[i]) for i in range(4)]).mean(), "hard"),
    "kl": (lambda x: F.kl_div(F.log_softmax(x, 1), P, reduction="batchmean"), "soft labels"),
    "kl of logs": (lambda x: F.kl_div(F.log_softmax(x, 1), P.log(), log_target=True, reduction="sum"), "soft labels"),
    "yes-no": (lambda x: F.binary_cross_entropy_with_logits(x, HARD), "hard yes-or-no targets"),
    "yes-no, soft": (lambda x: F.binary_cross_entropy_with_logits(x, P, weight=P + 1, pos_weight=W), "soft yes-or-no"),
    "yes-no of probabilities": (lambda x: F.binary_cross_entropy(torch.sigmoid(x), P), "soft yes-or-no"),
    "mse": (lambda x: F.mse_loss(x, P), "squared errors"),
    "l1": (lambda x: F.l1_loss(x, P), "absolute errors"),
    "smooth l1": (lambda x: F.smooth_l1_loss(x, P, beta=0.3), "smooth absolute errors"),
    "huber": (lambda x: F.huber_loss(x, P, delta=0.4, reduction="sum"), "Huber errors"),
    "by hand, squares": (lambda x: ((x - P) ** 2).sum() / 4, "squared errors"),
    "by hand, products": (lambda x: ((x - P) * (x - P)).mean(), "squared errors"),
    "norm": (lambda x: (x - P).norm(), "a norm"),
    "margins": (lambda x: F.multi_margin_loss(x, Y), "margins"),
    "rmse": (lambda x: torch.sqrt(F.mse_loss(x, P) + 1e-2), "the root of squared errors"),
    "a constant more": (lambda x: F.mse_loss(x, P) + 1, "squared errors"),
    "scaled": (lambda x: F.cross_entropy(x, P) * torch.tensor(65536.0) / 8, "soft labels"),
    "two heads": (
        lambda x: F.cross_entropy(x[:, :3], Y2) + 0.1 * F.mse_loss(x[:, 3:], P[:, 3:]),
        "hard labels and squ",
    ),
}


@pytest.mark.parametrize("name", KNOWN)
def test_the_floor_is_what_the_best_prediction_reaches(name: str) -> None:
    function, words = KNOWN[name]
    torch.manual_seed(1)
    x = torch.randn(4, 5, dtype=torch.float64).requires_grad_()
    cast: Loss = lambda free: function(free.float())  # noqa: E731
    least, how = floor_of(cast(x))
    assert least is not None, how
    assert words in how
    optimizer = torch.optim.LBFGS([x], max_iter=500, line_search_fn="strong_wolfe", tolerance_change=1e-12)

    def closure() -> Any:
        optimizer.zero_grad()
        loss = cast(x)
        loss.backward()
        return loss

    start = float(closure().detach())
    for _ in range(5):
        optimizer.step(closure)
    assert float(cast(x).detach()) == pytest.approx(least, abs=2e-3 * max(start, 1e-3))


def test_words_and_the_value_by_hand() -> None:
    x = torch.zeros(4, 10, requires_grad=True)
    least, how = floor_of(F.cross_entropy(x, Y, label_smoothing=0.1))
    right, wrong = 0.91, 0.01
    assert least == pytest.approx(-right * math.log(right) - 9 * wrong * math.log(wrong), rel=1e-5)
    assert how == "label smoothing 0.1 over 10 classes"


UNKNOWN: dict[str, tuple[Callable[[torch.Tensor, torch.Tensor], torch.Tensor], str]] = {
    "negative": (lambda x, z: -F.mse_loss(x, P), "the larger one of its terms"),
    "reward": (
        lambda x, z: -(torch.tensor([1.0, -1, 2, 0.5]) * F.log_softmax(x, 1)[range(4), Y]).mean(),
        "without limit",
    ),
    "penalty": (lambda x, z: F.cross_entropy(x, Y) + 1e-4 * z.pow(2).sum(), "penalty"),
    "two targets": (lambda x, z: F.mse_loss(x, P) + F.mse_loss(x, -P), "two losses that pull"),
    "distillation": (
        lambda x, z: F.cross_entropy(x, Y) + F.kl_div(F.log_softmax(x / 2, 1), P, reduction="batchmean"),
        "two losses that pull",
    ),
    "dice": (
        lambda x, z: 1 - 2 * (x.sigmoid() * HARD).sum() / (x.sigmoid().sum() + HARD.sum()),
        "a term that is not known (Div)",
    ),
    "poisson": (lambda x, z: F.poisson_nll_loss(x, P), "not known"),
    "vae": (lambda x, z: F.mse_loss(x, P) - 0.5 * (1 + z - x.pow(2) - z.exp()).sum(), "penalty"),
    "nan": (lambda x, z: F.mse_loss(x * math.nan, P), "nan"),
    "not a scalar": (lambda x, z: F.mse_loss(x, P, reduction="none"), "more than one number"),
    "targets above one": (lambda x, z: F.binary_cross_entropy_with_logits(x, 3 * HARD), "outside 0 to 1"),
}


@pytest.mark.parametrize("name", UNKNOWN)
def test_what_cannot_be_known_is_not_guessed(name: str) -> None:
    function, reason = UNKNOWN[name]
    torch.manual_seed(1)
    least, how = floor_of(function(torch.randn(4, 5, requires_grad=True), torch.randn(4, 5, requires_grad=True)))
    assert least is None
    assert reason in how


def test_looking_changes_nothing() -> None:
    def gradients(look: bool) -> list[torch.Tensor]:
        torch.manual_seed(2)
        net = nn.Sequential(nn.Linear(5, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.5), nn.Linear(8, 5))
        loss = F.cross_entropy(net(P), Y, label_smoothing=0.1) / 3
        if look:
            assert floor_of(loss)[0] is not None
        loss.backward()
        return [parameter.grad for parameter in net.parameters() if parameter.grad is not None] + [torch.rand(1)]

    assert all(torch.equal(one, other) for one, other in zip(gradients(True), gradients(False)))


def accuracy(loss: torch.Tensor) -> float | None:
    with tensors.immune():
        reader = LossReader(loss.grad_fn)
        return reader.facts([[] if v is None else v.tolist() for v in reader.vectors]).accuracy


def test_accuracy_comes_with_the_loss() -> None:
    x = torch.tensor([[2.0, 0], [0, 2], [2.0, 0], [2, 0]], requires_grad=True)
    labels = torch.tensor([0, 1, 1, -100])
    assert accuracy(F.cross_entropy(x, labels)) == pytest.approx(2 / 3)
    assert accuracy(F.cross_entropy(x.t()[None], labels[None])) == pytest.approx(2 / 3)
    assert accuracy(F.binary_cross_entropy_with_logits(x, (x > 0).float())) == 1.0
    assert accuracy(F.binary_cross_entropy(torch.sigmoid(x), torch.ones(4, 2))) == 0.5
    assert accuracy(F.binary_cross_entropy_with_logits(x, (x > 0) * 0.9)) is None
    assert accuracy(F.cross_entropy(x[3:], torch.tensor([-100]))) is None
    assert accuracy(F.mse_loss(x, torch.zeros(4, 2))) is None
