"""The autograd graph of a backward, read before it runs: the strongest instrument, and no operation is patched for it.

It tells the loss function, what stands in front of it, the logits and targets themselves, batch-norm's mode as it
really ran, and which parameters the loss reaches. Compiled regions show as one opaque node.
"""

from __future__ import annotations

import time
from collections import Counter
from time import perf_counter
from typing import Any, Callable, Optional

from dlmon_probes import control, events
from dlmon_probes.training import tensors
from dlmon_probes.training.agent import Agent
from dlmon_probes.training.loop import Loop
from dlmon_probes.training.loss_facts import LossReader
from dlmon_probes.training.rows import number_of

MOST_NODES = 20_000
MOST_KEPT = 96
MOST_LOSSES = 4
EVERY_SAMPLE = 16  # after the first two backwards of a series: every so many sampled steps, if affordable


def install(agent: Agent, loop: Loop) -> None:
    agent.guard("graph", agent.sampled_before_backward, GraphProbe(agent, loop).at_backward)


def walk(root: Any, visit: Callable[[Any], None], most: int = MOST_NODES) -> bool:
    """Visit the nodes of a graph breadth-first from `root`. False when it was cut at `most` nodes."""
    seen = {root}
    level = [root]
    while level:
        following = []
        for node in level:
            visit(node)
            for below, _ in node.next_functions:
                if below is not None and below not in seen:
                    if len(seen) >= most:
                        return False
                    seen.add(below)
                    following.append(below)
        level = following
    return True


def leaves(loss: Any) -> list[Any]:
    """The leaf tensors that a loss depends on and that require a gradient."""
    found: list[Any] = []

    def visit(node: Any) -> None:
        if type(node).__name__ == "AccumulateGrad":
            found.append(node.variable)

    if loss.grad_fn is not None:
        walk(loss.grad_fn, visit)
    return found


class GraphProbe:
    """Writes a Graph event for the first two backwards of each series, on demand, at anomalies, and now and then."""

    def __init__(self, agent: Agent, loop: Loop) -> None:
        self._agent = agent
        self._loop = loop
        self._seen: Counter[int] = Counter()
        self._due: Counter[int] = Counter()
        self._requests = agent.page.read(control.SAMPLE_REQUEST)
        self._last_step: dict[int, int] = {}

    def at_backward(self, loss: Any, series: int) -> None:
        agent = self._agent
        if not agent.sampling or self._last_step.get(series) == agent.step or tensors.out_of_reach():
            return
        self._last_step[series] = agent.step
        self._due[series] += 1
        asked = agent.page.read(control.SAMPLE_REQUEST)
        if self._seen[series] >= 2 and asked == self._requests and self._due[series] % EVERY_SAMPLE:
            return
        if self._seen[series] >= 2 and not agent.governor.affords("graph"):
            agent.governor.skip("graph")
            return
        self._requests = asked
        self._seen[series] += 1
        began = perf_counter()
        with tensors.immune():
            self._write(loss, series)
        agent.governor.pay_for("graph", perf_counter() - began)

    def _write(self, loss: Any, series: int) -> None:
        agent, names = self._agent, self._agent.names
        kept: list[Any] = []
        ops: Counter[str] = Counter()
        reached: list[int] = []
        loose = 0
        losses: list[Any] = []

        def visit(node: Any) -> None:
            nonlocal loose
            op = type(node).__name__
            if len(kept) < MOST_KEPT:
                kept.append(node)
            if op == "AccumulateGrad":
                p = names.index(node.variable) if names is not None else None
                if p is None:
                    loose += 1
                else:
                    reached.append(p)
            elif op in LossReader.OPS and len(losses) < MOST_LOSSES:
                losses.append(node)
            elif "BatchNorm" in op and getattr(node, "_saved_training", True) is False:
                op += ":eval"
            ops[op] += 1

        complete = True if loss.grad_fn is None else walk(loss.grad_fn, visit)
        if names is not None:
            agent.reached[series] = set(reached)
        number = {node: i for i, node in enumerate(kept)}
        nodes = [
            events.GraphNode(
                type(node).__name__,
                [number.get(below, -1) for below, _ in node.next_functions if below is not None],
                saved_attributes(node, names),
            )
            for node in kept
        ]
        readers = [LossReader(node) for node in losses]
        value = self._loop.row.losses[series][-1]
        step, shape, has_graph = agent.step, [int(size) for size in loss.shape], loss.grad_fn is not None
        vectors = [vector for reader in readers for vector in reader.vectors]

        def done(values: list[list[float]]) -> None:
            if not isinstance(value, float):
                value.arrived()
            facts = []
            for reader in readers:
                taken, values = values[: len(reader.vectors)], values[len(reader.vectors) :]
                facts.append(reader.facts(taken))
            agent.emit(
                events.Graph(
                    t=time.time(), step=step, series=series, value=number_of(value), root_shape=shape, nodes=nodes,
                    ops=dict(ops), reached=sorted(reached), loose=loose, truncated=not complete,
                    has_graph=has_graph, losses=facts,
                )
            )  # fmt: skip

        agent.later(vectors, done)


def saved_attributes(node: Any, names: Any = None) -> dict[str, Any]:
    """The small attributes a node saved, without the `_saved_` in front; a saved tensor gives its shape.

    Besides: `p` of a parameter's leaf, and `gradient_to` of a loss: which of its inputs have a history.
    """
    saved: dict[str, Any] = {}
    op = type(node).__name__
    if op == "AccumulateGrad" and names is not None:
        p = names.index(node.variable)
        if p is not None:
            saved["p"] = p
    elif op in LossReader.OPS:
        saved["gradient_to"] = [i for i, (below, _) in enumerate(node.next_functions) if below is not None]
    for name in dir(type(node)):
        if not name.startswith("_saved_"):
            continue
        try:
            value = getattr(node, name)
        except Exception:  # freed, or packed by hooks of the user's: simply not known
            continue
        small = _small(value)
        if small is not None:
            saved[name[7:]] = small
    return saved


def _small(value: Any) -> Optional[Any]:
    if isinstance(value, (bool, float, str)):
        return value
    if isinstance(value, int):
        return value - (1 << 64) if value >= 1 << 63 else value  # dim -1 comes as an unsigned 64-bit number
    if hasattr(value, "dtype") and hasattr(value, "shape"):
        return [int(size) for size in value.shape]
    if isinstance(value, (tuple, list)) and len(value) <= 8 and all(isinstance(item, int) for item in value):
        return list(value)
    return None
