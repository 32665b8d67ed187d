"""Training loops of four sizes for `overhead.py`. Each is an ordinary loop: loader-less, one model, one optimizer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

Step = Callable[[], float]


@dataclass(frozen=True)
class Workload:
    """A model, its optimizer and one training step (which returns the loss as a float, as most loops ask for it)."""

    name: str
    model: nn.Module
    optimizer: torch.optim.Optimizer
    step: Step

    @property
    def describe(self) -> str:
        parameters = list(self.model.parameters())
        return f"{self.name}: {len(parameters)} tensors, {sum(p.numel() for p in parameters):,} parameters"


class Transformer(nn.Module):
    """A causal character model: `layers` blocks of width `width` on `length` tokens out of 64."""

    def __init__(self, width: int, layers: int, length: int) -> None:
        super().__init__()
        self.tokens = nn.Embedding(64, width)
        self.places = nn.Parameter(0.02 * torch.randn(length, width))
        block = nn.TransformerEncoderLayer(width, 4, 4 * width, dropout=0.0, batch_first=True, norm_first=True)
        self.blocks = nn.TransformerEncoder(block, layers, enable_nested_tensor=False)
        self.head = nn.Linear(width, 64)
        self.register_buffer("mask", nn.Transformer.generate_square_subsequent_mask(length), persistent=False)

    def forward(self, ids: Tensor) -> Tensor:
        result: Tensor = self.head(self.blocks(self.tokens(ids) + self.places, mask=self.mask, is_causal=True))
        return result


def mlp() -> Workload:
    model = nn.Sequential(nn.Linear(20, 64), nn.ReLU(), nn.Linear(64, 10))
    return classifier("MLP, batch 32", model, torch.randn(32, 20), 10, torch.optim.SGD(model.parameters(), lr=0.01))


def deeper_mlp() -> Workload:
    layers = [nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 128), nn.ReLU(), nn.Linear(128, 128), nn.ReLU()]
    model = nn.Sequential(*layers, nn.Linear(128, 10))
    return classifier("MLP of 4 layers, batch 64", model, torch.randn(64, 64), 10, torch.optim.Adam(model.parameters()))


def small_transformer() -> Workload:
    model = Transformer(width=64, layers=2, length=48)
    return language("transformer 2×64, batch 8", model, batch=8, length=48)


def larger_transformer() -> Workload:
    model = Transformer(width=128, layers=4, length=64)
    return language("transformer 4×128, batch 8", model, batch=8, length=64)


def classifier(name: str, model: nn.Module, x: Tensor, classes: int, optimizer: torch.optim.Optimizer) -> Workload:
    labels = torch.randint(classes, (len(x),))
    return Workload(name, model, optimizer, _stepper(model, optimizer, lambda: (x, labels), lambda out, y: (out, y)))


def language(name: str, model: nn.Module, batch: int, length: int) -> Workload:
    text = torch.randint(64, (10_000,))
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4)

    def get_batch() -> tuple[Tensor, Tensor]:
        starts = torch.randint(len(text) - length - 1, (batch,)).tolist()
        return (
            torch.stack([text[i : i + length] for i in starts]),
            torch.stack([text[i + 1 : i + 1 + length] for i in starts]),
        )

    return Workload(
        name, model, optimizer, _stepper(model, optimizer, get_batch, lambda o, y: (o.flatten(0, 1), y.flatten()))
    )


def _stepper(
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    batch: Callable[[], tuple[Tensor, Tensor]],
    arrange: Callable[[Tensor, Tensor], tuple[Tensor, Tensor]],
) -> Step:
    criterion = nn.CrossEntropyLoss()

    def step() -> float:
        inputs, targets = batch()
        optimizer.zero_grad()
        loss: Any = criterion(*arrange(model(inputs), targets))
        loss.backward()
        optimizer.step()
        value: float = loss.item()
        return value

    return step


WORKLOADS = {"0.3 ms": mlp, "1 ms": deeper_mlp, "10 ms": small_transformer, "30 ms": larger_transformer}
