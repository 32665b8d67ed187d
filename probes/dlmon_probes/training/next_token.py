"""Whether a loss asks for the next token, and whether attention sees it: read off the graph of its first backwards.

The graph keeps the whole numbers that were embedded, the class targets, and of attention its weights or its mask. No
forward is run for it. Attention that a checkpoint recomputes is not seen.
"""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any, Optional

from dlmon_probes.events_model import NextToken
from dlmon_probes.training import tensors
from dlmon_probes.training.agent import Agent
from dlmon_probes.training.forwards import pack, unpack
from dlmon_probes.training.graph import walk
from dlmon_probes.training.loop import Loop

NAME = "next token"
LOOKS = 2  # backwards of each series
MOST_NODES = 6_000
MOST_TABLES = 8
MOST_ATTENTIONS = 16
FEWEST = 4  # positions
MOST_POSITIONS = 2_048
MOST_ELEMENTS = 1 << 24  # of attention weights that are looked at
_SOFTMAX = ("SoftmaxBackward0", "SafeSoftmaxBackward0")
_MASKS = ("attn_mask", "attn_bias")


@dataclass
class Parts:
    """What of a graph speaks of sequences. Holds nodes: let go of before the backward."""

    losses: list[Any] = field(default_factory=list)
    tables: list[Any] = field(default_factory=list)
    softmax: list[Any] = field(default_factory=list)
    attention: list[Any] = field(default_factory=list)
    backward_rnn: int = 0

    def add(self, node: Any) -> None:
        op = type(node).__name__
        if op.startswith("NllLoss"):
            self.losses.append(node)
        elif op == "EmbeddingBackward0":
            self.tables.append(node)
        elif op in _SOFTMAX:
            self.softmax.append(node)
        elif op.startswith("ScaledDotProduct"):
            self.attention.append(node)
        elif op.endswith(("RnnBackward0", "RnnLayerBackward0")):
            one_way = getattr(node, "_saved_reverse", None)
            self.backward_rnn += bool(getattr(node, "_saved_bidirectional", False) if one_way is None else one_way)


@dataclass(frozen=True)
class Sequence:
    """Embedded numbers (rows, positions) with the targets brought to the same shape, and which of these count.

    inside: the targets are one position shorter, the program has cut them itself.
    """

    numbers: Any
    targets: Any
    counted: Any
    first: bool  # positions come first in memory, as recurrent layers like them

    def vector(self) -> Any:
        """[share of targets that are the next number, share that are the number itself]"""
        torch = tensors.torch_module()
        after, here = self.numbers[:, 1:], self.numbers[:, : self.targets.shape[1]]
        width = min(after.shape[1], self.targets.shape[1])
        counted = self.counted[:, :width].float()
        following = (self.targets[:, :width] == after[:, :width]).float() * counted
        own = (self.targets == here).float() * self.counted.float()
        return torch.stack(
            [following.sum() / counted.sum().clamp(min=1), own.sum() / self.counted.float().sum().clamp(min=1)]
        )


def saved(node: Any, name: str) -> Optional[Any]:
    """A tensor that a node kept; None where it is gone, or packed away by somebody's hooks."""
    try:
        if getattr(getattr(node, f"_raw_saved_{name}", None), "unpack_hook", None) is not None:
            return None
        value = getattr(node, f"_saved_{name}", None)
    except Exception:
        return None
    return tensors.local(value) if hasattr(value, "dtype") else None


def sequence(loss: Any, tables: list[Any]) -> tuple[Optional[Sequence], int]:
    """The embedded numbers that a loss's targets belong to, and how many different ones there are."""
    target = saved(loss, "target")
    ignored = getattr(loss, "_saved_ignore_index", -100)
    ignored = ignored - (1 << 64) if ignored >= 1 << 63 else ignored
    seen = (saved(table, "indices") for table in tables[:MOST_TABLES])
    known = [numbers for numbers in seen if numbers is not None and _usable(numbers)]
    different = {(n.data_ptr(), tuple(n.shape)): n for n in known}
    if target is None or target.dtype.is_floating_point:
        return None, len(different)
    for numbers in different.values():
        for first in (False, True):
            fitting = _fit(numbers.t() if first else numbers, target, ignored, first)
            if fitting is not None and _next(fitting):
                return fitting, len(different)
    fits = (_fit(numbers, target, ignored, False) for numbers in different.values())
    return next((found for found in fits if found is not None), None), len(different)


def _usable(numbers: Any) -> bool:
    return bool(numbers.dim() == 2 and FEWEST <= max(numbers.shape) <= MOST_POSITIONS)


def _fit(numbers: Any, target: Any, ignored: int, first: bool) -> Optional[Sequence]:
    rows, positions = numbers.shape
    if positions < FEWEST:
        return None
    for width in (positions, positions - 1):
        if target.numel() == rows * width:
            flat = target.reshape(-1)
            shaped = flat.view(width, rows).t() if first else flat.view(rows, width)
            return Sequence(numbers, shaped, shaped != ignored, first)
    return None


def _next(fitting: Sequence) -> bool:
    """On the CPU it can be asked at once which table fits; elsewhere the first of the right shape is taken."""
    return fitting.numbers.device.type != "cpu" or bool(fitting.vector()[0] > 0.5)


def ahead(parts: Parts, fitting: Sequence) -> list[Any]:
    """For each attention over the positions, [share of its weight on later ones] as a tensor of one element."""
    positions = int(fitting.numbers.shape[1])
    counted = fitting.counted[0]
    if counted.shape[0] < positions:
        counted = tensors.torch_module().nn.functional.pad(counted, (0, positions - counted.shape[0]))
    found = [_of_weights(saved(node, "result"), counted) for node in parts.softmax[:MOST_ATTENTIONS]]
    found += [_of_mask(node, counted) for node in parts.attention[:MOST_ATTENTIONS]]
    return [vector for vector in found if vector is not None]


def _of_weights(weights: Optional[Any], counted: Any) -> Optional[Any]:
    size = counted.shape[0]
    if weights is None or weights.dim() < 3 or tuple(weights.shape[-2:]) != (size, size):
        return None
    if weights.numel() > MOST_ELEMENTS:
        return None
    first = weights[0].reshape(-1, size, size)[0] if weights.dim() > 3 else weights[0]
    return _share(first.float(), counted)


def _of_mask(node: Any, counted: Any) -> Optional[Any]:
    torch = tensors.torch_module()
    size = counted.shape[0]
    query, key = saved(node, "query"), saved(node, "key")
    if query is None or key is None or query.shape[-2] != size or key.shape[-2] != size:
        return None
    if getattr(node, "_saved_is_causal", False):
        return torch.zeros(1, device=counted.device)
    masks = [getattr(node, f"_saved_{name}", None) for name in _MASKS]
    mask = next((mask for mask in masks if hasattr(mask, "dtype")), None)
    if mask is None:
        return _share(torch.ones(size, size, device=counted.device), counted)
    mask = tensors.local(mask)
    if mask is None or tuple(mask.shape[-2:]) != (size, size):
        return None
    mask = mask.reshape(-1, size, size)[0]
    return _share((mask if mask.dtype is torch.bool else mask > -1e4).float(), counted)


def _share(weights: Any, counted: Any) -> Any:
    """Of the weight of positions that have a target, the share on later ones."""
    weights = weights * counted.float().unsqueeze(1)
    return (weights.triu(1).sum() / weights.sum().clamp(min=1e-12)).reshape(1)


class NextTokenProbe:
    def __init__(self, agent: Agent) -> None:
        self._agent = agent
        self._looks: Counter[int] = Counter()

    def at_backward(self, loss: Any, series: int) -> None:
        if self._looks[series] >= LOOKS or loss.grad_fn is None or tensors.out_of_reach():
            return
        self._looks[series] += 1
        began = perf_counter()
        parts = Parts()
        walk(loss.grad_fn, parts.add, MOST_NODES)
        if parts.losses and parts.tables:
            with tensors.immune():
                self._tell(parts, series)
        self._agent.governor.pay_for(NAME, perf_counter() - began)

    def _tell(self, parts: Parts, series: int) -> None:
        fitting, embedded = sequence(parts.losses[0], parts.tables)
        if fitting is None:
            return
        agent, step = self._agent, self._agent.step
        rows, positions = (int(size) for size in fitting.numbers.shape)
        vectors, lengths = pack([fitting.vector(), *ahead(parts, fitting)])
        backward_rnn = parts.backward_rnn

        def done(values: list[list[float]]) -> None:
            shares, *attentions = unpack(values, lengths)
            shifted, same = shares or (None, None)
            agent.emit(
                NextToken(
                    time.time(), step, series, rows, positions, shifted, same, embedded,
                    [share[0] for share in attentions if share], backward_rnn,
                )
            )  # fmt: skip

        agent.later(vectors, done)


def install(agent: Agent, _loop: Loop) -> None:
    agent.guard(NAME, agent.sampled_before_backward, NextTokenProbe(agent).at_backward)
