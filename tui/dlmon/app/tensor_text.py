"""Tensors as rows of a table: shape, type, range, mean, spread."""

from __future__ import annotations

from collections.abc import Sequence

from dlmon.app.lines import Line, line
from dlmon.app.rehearsal.table import table_lines
from dlmon.text import number, percent, shape
from dlmon_probes import events


def tensor_lines(tensors: Sequence[events.NamedTensor], room: int) -> list[Line]:
    """A row for each, below their titles."""
    if not tensors:
        return [line(("  no tensors in it", "dim"))]
    rows: list[tuple[str, ...]] = [("tensor", "shape", "dtype", "range", "mean", "std", "NaN or inf")]
    rows += [_tensor(named) for named in tensors]
    return table_lines(rows, room, indent="  ")


def _tensor(named: events.NamedTensor) -> tuple[str, ...]:
    facts = named.facts
    return (
        named.path or "it", shape(facts.shape), facts.dtype, span(facts), number(facts.mean), number(facts.std),
        wrong(facts),
    )  # fmt: skip


def span(facts: events.TensorFacts | None) -> str:
    """`-1.2 … 3.4`."""
    return f"{number(facts.min)} … {number(facts.max)}" if facts is not None and facts.min is not None else "–"


def wrong(facts: events.TensorFacts | None) -> str:
    """The share that is not finite."""
    return percent(facts.nonfinite) if facts is not None and facts.nonfinite else "none"
