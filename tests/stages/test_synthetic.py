"""Synthetic batches: like the real ones in structure and range, and learned soon by models of each usual kind."""

from __future__ import annotations

import math
from collections import namedtuple
from typing import Any, Callable

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from tests.stages import models

Pair = namedtuple("Pair", "image label")


@pytest.fixture(autouse=True)
def seeded() -> None:
    torch.manual_seed(0)


def classify(model: nn.Module) -> Callable[[Any], torch.Tensor]:
    return lambda batch: F.cross_entropy(model(batch[0].float()), batch[1])


def images(channels: int, classes: int, size: int = 16) -> tuple[torch.Tensor, torch.Tensor]:
    return torch.randn(32, channels, size, size), torch.randint(0, classes, (32,))


@pytest.mark.parametrize(
    ("make", "batch"),
    [
        (lambda: models.mlp(256, 10), lambda: images(1, 10)),
        (lambda: models.cnn(1, 10), lambda: images(1, 10)),
        (lambda: models.cnn(3, 100), lambda: images(3, 100, 32)),
        (lambda: models.mlp(3 * 256, 4), lambda: ((images(3, 4)[0] * 40 + 128).clamp(0, 255), images(3, 4)[1])),
        (lambda: models.Recurrent(6, 3), lambda: (torch.randn(32, 12, 6), torch.randint(0, 3, (32,)))),
        (lambda: models.mlp(20, 2), lambda: (torch.randn(32, 20), torch.randint(0, 2, (32,)))),
        (lambda: models.mlp(1, 3), lambda: (torch.randn(32, 1), torch.randint(0, 3, (32,)))),
    ],
    ids=["mlp grey", "cnn grey", "cnn colour 100 classes", "mlp bytes range", "gru", "table", "one number"],
)
def test_classes_are_learned(make: Callable[[], nn.Module], batch: Callable[[], Any]) -> None:
    model = make()
    scaled = isinstance(model[1], nn.Linear) if isinstance(model, nn.Sequential) else False
    divisor = 128.0 if scaled and float(batch()[0].max()) > 100 else 1.0
    start, end = models.learned(batch(), model, lambda b: F.cross_entropy(model(b[0] / divisor), b[1]))
    assert end < 0.35 * start


def test_text_is_classified() -> None:
    model = models.Transformer(1000, 3, 24, pooled=True, causal=False)
    start, end = models.learned(
        (torch.randint(0, 1000, (32, 24)), torch.randint(0, 3, (32,))), model, classify_ids(model)
    )
    assert end < 0.35 * start


def classify_ids(model: nn.Module) -> Callable[[Any], torch.Tensor]:
    return lambda batch: F.cross_entropy(model(batch[0]), batch[1])


def next_token(model: nn.Module) -> Callable[[Any], torch.Tensor]:
    return lambda batch: F.cross_entropy(model(batch[0]).flatten(0, 1), batch[1].flatten())


def test_next_tokens_are_learned_from_pairs() -> None:
    text = torch.randint(0, 65, (16, 33))
    model = models.Transformer(65, 65, 32)
    start, end = models.learned((text[:, :-1], text[:, 1:]), model, next_token(model))
    assert end < 0.35 * start


def test_next_tokens_are_learned_from_whole_rows() -> None:
    model = models.Transformer(65, 65, 32)

    def step(batch: torch.Tensor) -> torch.Tensor:
        return F.cross_entropy(model(batch[:, :-1]).flatten(0, 1), batch[:, 1:].flatten())

    start, end = models.learned(torch.randint(0, 65, (16, 33)), model, step)
    assert end < 0.35 * start


def test_labels_that_copy_the_inputs_keep_their_padding() -> None:
    ids = torch.randint(3, 65, (16, 32))
    mask = (torch.arange(32)[None] < torch.randint(8, 32, (16, 1))).long()
    ids = torch.where(mask == 1, ids, 0)
    labels = torch.where(mask == 1, ids, -100)
    model = models.Transformer(65, 65, 32)

    def step(batch: dict[str, torch.Tensor]) -> torch.Tensor:
        logits = model(batch["input_ids"])[:, :-1]
        return F.cross_entropy(logits.flatten(0, 1), batch["labels"][:, 1:].flatten())

    batch = {"input_ids": ids, "attention_mask": mask, "labels": labels}
    maker, found = models.synthetic(batch, model, step)
    assert found.kind == "tokens"
    drawn = maker.draw()
    assert torch.equal(drawn["attention_mask"], mask)
    assert torch.equal(drawn["labels"] == -100, labels == -100)
    assert torch.equal(drawn["input_ids"][mask == 0], ids[mask == 0])
    assert torch.equal(drawn["labels"][mask == 1], drawn["input_ids"][mask == 1])
    start, end = models.learned(batch, model, step)
    assert end < 0.35 * start


def test_masked_tokens_are_learned() -> None:
    ids = torch.randint(3, 65, (32, 24))
    chosen = torch.rand(32, 24) < 0.15
    labels = torch.where(chosen, ids, -100)
    model = models.Transformer(65, 65, 24, causal=False)
    start, end = models.learned((torch.where(chosen, 1, ids), labels), model, next_token(model))
    assert end < 0.5 * start


@pytest.mark.parametrize("outputs", [1, 3])
def test_values_are_learned(outputs: int) -> None:
    model = models.mlp(8, outputs)
    x = torch.randn(64, 8)
    y = 30 + 7 * torch.randn(64, outputs)
    batch = (x, y if outputs > 1 else y[:, 0])
    # The script standardises in its loop, as scripts do with targets of this size.
    step = lambda b: F.mse_loss(model(b[0]).reshape(b[1].shape), (b[1] - 30) / 7)  # noqa: E731
    start, end = models.learned(batch, model, step)
    assert end < 0.2 * start
    _, found = models.synthetic(batch, model, step)
    assert found.kind == "regression"


def test_ratings_are_learned_from_ids() -> None:
    class Factors(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.users, self.items = nn.Embedding(500, 8), nn.Embedding(300, 8)

        def forward(self, user: torch.Tensor, item: torch.Tensor) -> torch.Tensor:
            return (self.users(user) * self.items(item)).sum(1)

    model = Factors()
    batch = {
        "user": torch.randint(0, 500, (64,)), "item": torch.randint(0, 300, (64,)),
        "rating": torch.randint(1, 6, (64,)).float(),
    }  # fmt: skip
    start, end = models.learned(batch, model, lambda b: F.mse_loss(model(b["user"], b["item"]), b["rating"]), lr=3e-2)
    assert end < 0.35 * start


def test_several_labels_are_learned() -> None:
    model = models.mlp(30, 12)
    batch = (torch.randn(64, 30), (torch.rand(64, 12) < 0.2).float())
    start, end = models.learned(batch, model, lambda b: F.binary_cross_entropy_with_logits(model(b[0]), b[1]))
    assert end < 0.35 * start


@pytest.mark.parametrize("labels", [2, 5])
def test_masks_are_learned(labels: int) -> None:
    model = nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(), nn.Conv2d(16, 16, 3, padding=1), nn.ReLU(), nn.Conv2d(16, labels, 1)
    )
    batch = {"image": torch.rand(8, 1, 24, 24), "mask": torch.randint(0, labels, (8, 24, 24))}
    _, found = models.synthetic(batch, model, lambda b: F.cross_entropy(model(b["image"]), b["mask"]))
    assert found.kind == "mask"
    start, end = models.learned(batch, model, lambda b: F.cross_entropy(model(b["image"]), b["mask"]), lr=1e-2)
    assert end < 0.4 * start


def test_binary_masks_of_one_channel_are_learned() -> None:
    model = nn.Sequential(nn.Conv2d(3, 16, 3, padding=1), nn.ReLU(), nn.Conv2d(16, 1, 3, padding=1))
    batch = (torch.rand(8, 3, 24, 24), (torch.rand(8, 1, 24, 24) < 0.3).float())
    step = lambda b: F.binary_cross_entropy_with_logits(model(b[0]), b[1])  # noqa: E731
    start, end = models.learned(batch, model, step, lr=1e-2)
    assert end < 0.4 * start


def test_images_are_reconstructed() -> None:
    model = nn.Sequential(nn.Flatten(), nn.Linear(256, 8), nn.ReLU(), nn.Linear(8, 256), nn.Unflatten(1, (1, 16, 16)))
    batch = [torch.rand(32, 1, 16, 16), torch.randint(0, 10, (32,))]
    _, found = models.synthetic(batch, model, lambda b: F.mse_loss(model(b[0]), b[0]))
    assert found.kind == "reconstruction"
    assert found.by_path() == {"[0]": "input", "[1]": "as it is"}
    start, end = models.learned(batch, model, lambda b: F.mse_loss(model(b[0]), b[0]))
    assert end < 0.35 * start


def test_images_are_mapped_to_images() -> None:
    model = nn.Sequential(nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(), nn.Conv2d(16, 2, 3, padding=1))
    batch = (torch.randn(8, 1, 20, 20), torch.randn(8, 2, 20, 20))
    start, end = models.learned(
        batch, model, lambda b: F.l1_loss(model(b[0]), b[1]) + 0 * F.mse_loss(model(b[0]), b[1])
    )
    assert end < 0.4 * start


def test_a_drawn_batch_is_like_the_real_one() -> None:
    real = {
        "x": Pair((torch.rand(16, 3, 8, 8) * 255).to(torch.uint8), torch.randint(2, 7, (16,), dtype=torch.int32)),
        "names": ["a"] * 16,
    }
    model = models.mlp(192, 10)
    step = lambda b: F.cross_entropy(model(b["x"].image / 255.0), b["x"].label.long())  # noqa: E731
    maker, found = models.synthetic(real, model, step)
    assert found.by_path() == {"['x'].image": "input", "['x'].label": "labels"}
    one, other = maker.draw(), maker.draw()
    assert type(one["x"]) is Pair
    assert one["names"] == real["names"]
    assert one["x"].image.dtype == torch.uint8
    assert one["x"].image.shape == real["x"].image.shape
    assert int(one["x"].image.max()) <= int(real["x"].image.max())
    assert set(one["x"].label.tolist()) <= set(real["x"].label.tolist())
    assert one["x"].label.dtype == torch.int32
    assert not torch.equal(one["x"].image, other["x"].image)
    again, _ = models.synthetic(real, model, step)
    assert torch.equal(again.draw()["x"].image, one["x"].image)


def test_the_scripts_random_numbers_stay_as_they_are() -> None:
    batch = images(1, 4)
    model = models.cnn(1, 4)
    maker, _ = models.synthetic(batch, model, classify(model))
    before = torch.get_rng_state()
    maker.draw()
    assert torch.equal(torch.get_rng_state(), before)


def test_constant_or_broken_data_does_not_keep_the_engine_from_learning() -> None:
    x, y = torch.full((32, 20), math.nan), torch.zeros(32, dtype=torch.int64)
    x[:, 0] = 0.0
    model = models.mlp(20, 4)
    start, end = models.learned((x, y), model, lambda b: F.cross_entropy(model(b[0].nan_to_num()), b[1]))
    assert end < 0.35 * start
