"""How checks look things up in what a process reported."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any, Generic, TypeVar

from dlmon.state.snapshot import RankFacts, RunSnapshot
from dlmon_probes import events
from dlmon_probes.events import Where
from dlmon_probes.kinds import KINDS

A = TypeVar("A")
R = TypeVar("R")


class Lacking(Exception):
    """Raised by a check that has not the facts it needs; the text names the fact."""


class Remembered(Generic[A, R]):
    """A function that remembers its last result as long as what `parts` picks of its argument is the same.

    Several checks ask the same of one snapshot, and most snapshots have no new sample.
    """

    def __init__(self, function: Callable[[A], R], parts: Callable[[A], tuple[object, ...]]) -> None:
        self._function, self._parts = function, parts
        self._last: tuple[tuple[object, ...], R] | None = None

    def __call__(self, argument: A) -> R:
        parts, last = self._parts(argument), self._last
        if last is not None and all(one is other for one, other in zip(parts, last[0], strict=True)):
            return last[1]
        result = self._function(argument)
        self._last = (parts, result)
        return result


def leader(snapshot: RunSnapshot) -> RankFacts:
    """The leading process. Raises Lacking where none has reported."""
    if snapshot.leader is None:
        raise Lacking("no training process has reported yet")
    return well_formed(snapshot.leader)


def _well_formed(facts: RankFacts) -> RankFacts:
    kept = {kind: [row for row in rows if type(row) is KINDS.get(kind)] for kind, rows in facts.further.items()}
    if all(len(kept[kind]) == len(rows) for kind, rows in facts.further.items()):
        return facts
    return replace(facts, further=kept)


well_formed = Remembered(_well_formed, lambda facts: (facts,))
well_formed.__doc__ = "What a process reported, without further events that are of another type than their kind says."


def parameters_of(facts: RankFacts) -> dict[int, events.Parameter]:
    """All known parameters by index."""
    return {parameter.p: parameter for model in facts.models for parameter in model.parameters}


def holders(facts: RankFacts) -> dict[int, int]:
    """Parameter index to the index of the optimizer that holds it."""
    held = {p.p: p.optimizer for p in parameters_of(facts).values() if p.optimizer is not None}
    for optimizer in facts.optimizers:
        held.update({p: optimizer.index for group in optimizer.groups for p in group.parameters})
    return held


def optimizer_of(facts: RankFacts, index: int) -> events.Optimizer | None:
    return next((optimizer for optimizer in facts.optimizers if optimizer.index == index), None)


def call_site(order: events.Order, op: str, of: int | None = None) -> Where | None:
    """Where the last call of this kind in a step was made."""
    for call in reversed(order.calls):
        if call.op == op and call.where is not None and (of is None or call.of in (None, of)):
            return call.where
    return None


def backward_site(facts: RankFacts, series: int | None = None) -> Where | None:
    """The line of a backward call: of one series, or of the first one there is."""
    if series is not None:
        known = facts.series.get(series)
        return known.where if known else None
    return next((site.where for site in facts.series.values() if site.where), None)


def finite(values: Iterable[float | None]) -> list[float]:
    return [value for value in values if value is not None and math.isfinite(value)]


def listed(names: Sequence[str], most: int = 3) -> str:
    """ "a, b, c and 4 more"."""
    if len(names) <= most:
        return ", ".join(names)
    return f"{', '.join(names[:most])} and {len(names) - most} more"


def below(graph: events.Graph, node: events.GraphNode) -> Iterator[events.GraphNode]:
    """The nodes that made a node's inputs, as far as they were kept."""
    for i in node.inputs:
        if 0 <= i < len(graph.nodes):
            yield graph.nodes[i]


def beneath(graph: events.Graph, node: events.GraphNode, pass_by: frozenset[str]) -> events.GraphNode | None:
    """A node itself, or the first below it that is none of the given operations; None where that was not kept."""
    for _ in range(len(graph.nodes) + 1):  # bounded: the graph in a log need not be free of circles
        if node.op not in pass_by or not node.inputs:
            return node
        following = next(below(graph, node), None)
        if following is None:
            return None
        node = following
    return None


def through(graph: events.Graph, node: events.GraphNode, pass_by: frozenset[str]) -> events.GraphNode | None:
    """The node that made a node's first input, looking through the given operations."""
    for _ in range(len(graph.nodes)):
        following = next(below(graph, node), None)
        if following is None or following.op not in pass_by:
            return following
        node = following
    return None


def value_of(row: Sequence[Any], i: int) -> Any:
    return row[i] if i < len(row) else None
