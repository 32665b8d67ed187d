"""What activation functions give, unit by unit, and whether predictions differ: read off the graph in sampled steps.

The graph keeps the results of ReLU, tanh and sigmoid for their derivatives, also where they are called as functions.
Which units were ever above zero is remembered from look to look in a mask of our own.
"""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any, Optional

from dlmon_probes.events_model import GraphSize, Predictions, UnitRow, Units
from dlmon_probes.training import tensors
from dlmon_probes.training.agent import Agent
from dlmon_probes.training.governor import EARLY
from dlmon_probes.training.graph_layers import layer_of, layers_below, saved_tensors
from dlmon_probes.training.loop import Loop
from dlmon_probes.training.loss_facts import LossReader

NAME = "units"
MOST_NODES = 4_000
MOST_ROWS = 24
MOST_ELEMENTS = 4_000_000  # of a result that is looked at
MOST_STATES = 256
WINDOW = 4  # looks over which a unit is watched for having gone silent since
SHARP = {"TanhBackward0": 0.995, "SigmoidBackward0": 0.0025}  # where the derivative is 1 % of its largest
ACTIVATIONS = ("ReluBackward0", *SHARP)


@dataclass
class _Found:
    """An activation function in the graph. node: let go of as soon as it was measured."""

    op: str
    node: Any
    last: bool
    gate: bool


@dataclass
class _State:
    """What is remembered of an activation function: which units were above zero ever, and in each of the last looks."""

    ever: Any = None
    rows: int = 0
    looks: int = 0
    recent: deque[Any] = field(default_factory=lambda: deque(maxlen=WINDOW))
    recent_rows: deque[int] = field(default_factory=lambda: deque(maxlen=WINDOW))
    recent_steps: deque[int] = field(default_factory=lambda: deque(maxlen=WINDOW))

    def count(self, rows: int, step: int) -> None:
        self.rows += rows
        self.looks += 1
        self.recent_rows.append(rows)
        self.recent_steps.append(step)


@dataclass(frozen=True)
class _Counts:
    """How much a row rests on, as it stood when it was measured."""

    rows: int
    looks: int
    recent_rows: int
    recent_looks: int
    recent_since: int

    @classmethod
    def of(cls, state: _State) -> _Counts:
        recent = state.recent_rows
        return cls(state.rows, state.looks, sum(recent), len(recent), state.recent_steps[0])


@dataclass
class _Row:
    found: _Found
    number: int
    units: int
    state: _State
    after: str
    vectors: list[Any] = field(default_factory=list)


class UnitsProbe:
    def __init__(self, agent: Agent) -> None:
        self._agent = agent
        self._states: dict[tuple[int, int, int], _State] = {}
        self._last: dict[int, int] = {}

    def at_backward(self, loss: Any, series: int) -> None:
        agent = self._agent
        if loss.grad_fn is None or self._last.get(series) == agent.step or tensors.out_of_reach():
            return
        if agent.step not in EARLY and not agent.governor.affords(NAME):
            agent.governor.skip(NAME)
            return
        self._last[series] = agent.step
        began = perf_counter()
        with tensors.immune():
            found, losses, nodes = survey(loss.grad_fn, agent.names)
            if nodes < MOST_NODES:
                agent.emit(GraphSize(time.time(), agent.step, series, nodes))
            self._tell_units(found, series)
            for node in losses[:4]:
                self._tell_predictions(node, series)
        agent.governor.pay_for(NAME, perf_counter() - began)

    def _tell_units(self, found: list[_Found], series: int) -> None:
        rows = [row for number, one in enumerate(found[:MOST_ROWS]) for row in self._row(one, number, series)]
        if not rows:
            return
        agent, step = self._agent, self._agent.step
        counts = [_Counts.of(row.state) for row in rows]

        def done(values: list[list[float]]) -> None:
            told = [_unit_row(row, count, value) for row, count, value in zip(rows, counts, values)]
            agent.emit(Units(time.time(), step, series, told))

        agent.later([row.vectors[0] for row in rows], done)
        for row in rows:
            row.vectors.clear()

    def _row(self, found: _Found, number: int, series: int) -> list[_Row]:
        result = saved_tensors(found.node).get("result")
        if result is None or result.dim() < 2 or result.numel() > MOST_ELEMENTS:
            return []
        dim = unit_dimension(found.node, result)
        units = int(result.shape[dim])
        state = self._states.get((series, number, units))
        if state is None:
            if len(self._states) >= MOST_STATES:
                return []
            state = self._states[(series, number, units)] = _State()
        state.count(int(result.shape[0]), self._agent.step)
        after = layer_of(found.node, self._agent.names) or next(iter(layers_below(found.node, self._agent.names)), "")
        vector = _measure(found.op, result, dim, state)
        found.node = None
        return [_Row(found, number, units, state, after, [vector])]

    def _tell_predictions(self, node: Any, series: int) -> None:
        prediction, target = (saved_tensors(node).get(name) for name in ("self", "target"))
        if prediction is None or prediction.dim() == 0 or prediction.shape[0] < 2:
            return
        if prediction.numel() > MOST_ELEMENTS:
            return
        agent, step, op = self._agent, self._agent.step, type(node).__name__
        rows, columns = int(prediction.shape[0]), int(prediction.numel() // prediction.shape[0])
        vectors = [_spread(prediction), _spread(target) if target is not None else _labels(node)]

        def done(values: list[list[float]]) -> None:
            spread, of_target = (value[0] if value else None for value in values)
            agent.emit(Predictions(time.time(), step, series, op, rows, columns, spread, of_target))

        agent.later(vectors, done)


def survey(root: Any, names: Any) -> tuple[list[_Found], list[Any], int]:
    """Activation functions and loss nodes of a graph, breadth-first from the root; and how many nodes it has."""
    found: list[_Found] = []
    losses: list[Any] = []
    seen = {root}
    level = [(root, False, "")]  # node, a layer lies between it and the root, the operation that takes its result
    while level and len(seen) < MOST_NODES:
        following = []
        for node, beyond, taker in level:
            op = type(node).__name__
            if op in ACTIVATIONS:
                found.append(_Found(op, node, not beyond, taker == "MulBackward0"))
            elif op in LossReader.OPS:
                losses.append(node)
            beyond = beyond or bool(op.startswith(("Addmm", "Mm", "Convolution", "Bmm")) and layer_of(node, names))
            for below, _ in node.next_functions:
                if below is not None and below not in seen:
                    seen.add(below)
                    following.append((below, beyond, op))
        level = following
    return found, losses, len(seen)


def unit_dimension(node: Any, result: Any) -> int:
    """Channels of a convolution's result, the last dimension otherwise."""
    if result.dim() == 2:
        return 1
    below = node
    for _ in range(4):
        below = below.next_functions[0][0] if below.next_functions else None
        if below is None:
            break
        op = type(below).__name__
        if op.startswith(("Convolution", "MaxPool")) or "BatchNorm" in op:
            return 1
        if op.startswith(("Addmm", "Mm", "View", "UnsafeView")):
            return int(result.dim()) - 1
    return 1 if result.dim() >= 4 else int(result.dim()) - 1


def _measure(op: str, result: Any, dim: int, state: _State) -> Any:
    """[units that were never above zero, units that were not in the last looks], or [share of saturated elements]."""
    if op == "ReluBackward0":
        torch = tensors.torch_module()
        # NaN is not silence: a loss that broke has its own finding.
        fired = (~(result <= 0)).movedim(dim, 0).reshape(int(result.shape[dim]), -1).any(1)
        state.ever = fired if state.ever is None or state.ever.device != fired.device else state.ever | fired
        if state.recent and state.recent[-1].device != fired.device:
            state.recent.clear()
        state.recent.append(fired)
        return torch.stack([(~state.ever).sum(), (~torch.stack(list(state.recent)).any(0)).sum()]).float()
    edge = SHARP[op]
    flat = (result.abs() > edge) if op == "TanhBackward0" else (result < edge) | (result > 1 - edge)
    return flat.float().mean().reshape(1)


def _unit_row(row: _Row, counts: _Counts, value: list[float]) -> UnitRow:
    op = row.found.op
    number: Optional[float] = value[0] if value else None
    relu = op == "ReluBackward0"
    return UnitRow(
        op=op, number=row.number, after=row.after, units=row.units, rows=counts.rows, looks=counts.looks,
        dead=int(number) if relu and number is not None else None, saturated=None if relu else number,
        last=row.found.last, gate=row.found.gate, silent=int(value[1]) if relu and len(value) > 1 else None,
        recent_rows=counts.recent_rows, recent_looks=counts.recent_looks, recent_since=counts.recent_since,
    )  # fmt: skip


def _spread(tensor: Any) -> Any:
    """[mean over columns of the standard deviation over rows, by the mean magnitude]"""
    x = tensor.reshape(tensor.shape[0], -1).float()
    return (x.std(0, unbiased=False).mean() / x.abs().mean().clamp(min=1e-12)).reshape(1)


def _labels(node: Any) -> Optional[Any]:
    """[1] where class labels differ, [0] where they are all the same."""
    try:
        labels = node._saved_target
    except Exception:
        return None
    readable = tensors.local(labels) if hasattr(labels, "dtype") else None
    if readable is None or not readable.numel():
        return None
    return (readable.amax() != readable.amin()).float().reshape(1)


def install(agent: Agent, _loop: Loop) -> None:
    agent.guard(NAME, agent.sampled_before_backward, UnitsProbe(agent).at_backward)
