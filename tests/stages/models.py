"""Small models of the usual kinds, and the loop that tells whether one learns from given batches."""

from __future__ import annotations

from typing import Any, Callable

import torch
from torch import nn

from dlmon_probes.stages.data import batches, roles
from dlmon_probes.stages.data.synthetic import Synthetic
from dlmon_probes.training import structures

Step = Callable[[Any], torch.Tensor]  # batch → loss


def synthetic(batch: Any, model: Any, step: Step) -> tuple[Synthetic, roles.Roles]:
    """What a stage would make of a script's first batch and loss."""
    given: list[structures.Leaf] = []
    handles = [
        part.register_forward_pre_hook(
            lambda _module, args, kwargs: given.extend(structures.leaves((args, kwargs))), with_kwargs=True
        )
        for part in ([model] if isinstance(model, nn.Module) else model)
    ]
    frozen = batches.freeze(batch)
    found = roles.roles_of(frozen.leaves, step(batch), [leaf for leaf in given if not leaf.tensor.requires_grad])
    for handle in handles:
        handle.remove()
    assert found.kind != "unknown", found.reason
    return Synthetic(frozen, found, seed=0), found


def learned(batch: Any, model: nn.Module, step: Step, steps: int = 200, lr: float = 3e-3) -> tuple[float, float]:
    """(loss at the start, loss at the end) over synthetic batches in the place of `batch`, each the mean of ten."""
    maker, _ = synthetic(batch, model, step)
    optimizer = torch.optim.Adam(model.parameters(), lr=lr)
    losses = []
    for _ in range(steps):
        optimizer.zero_grad()
        loss = step(maker.draw())
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return sum(losses[:3]) / 3, sum(losses[-10:]) / 10


def mlp(inputs: int, outputs: int) -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(inputs, 64), nn.ReLU(), nn.Linear(64, outputs))


def cnn(channels: int, outputs: int) -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(channels, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(16, 32, 3, padding=1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(32, outputs),
    )  # fmt: skip


class Recurrent(nn.Module):
    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.gru = nn.GRU(inputs, 32, batch_first=True)
        self.head = nn.Linear(32, outputs)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out: torch.Tensor = self.head(self.gru(x)[0][:, -1])
        return out


class Transformer(nn.Module):
    """Over tokens; causal and per place, or pooled to one output per row."""

    def __init__(self, ids: int, outputs: int, length: int, pooled: bool = False, causal: bool = True) -> None:
        super().__init__()
        self.embedding = nn.Embedding(ids, 32)
        self.places = nn.Parameter(torch.zeros(length, 32))
        layer = nn.TransformerEncoderLayer(32, 4, 64, dropout=0.0, batch_first=True)
        self.encoder = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
        self.head = nn.Linear(32, outputs)
        self.pooled, self.causal = pooled, causal

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        length = ids.shape[1]
        mask = nn.Transformer.generate_square_subsequent_mask(length) if self.causal else None
        hidden = self.encoder(self.embedding(ids) + self.places[:length], mask=mask)
        out: torch.Tensor = self.head(hidden.mean(1) if self.pooled else hidden)
        return out
