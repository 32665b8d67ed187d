"""The gradient-health table of one process: the last sample of every parameter, and how its norm has moved."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from dlmon.state.snapshot import ParameterView
from dlmon_probes import events

TREND = 40  # norms kept per parameter: as many as a sparkline of a wide screen shows
MOST_PARAMETERS = 100_000


@dataclass
class _Row:
    parameter: events.Parameter
    step: int | None = None
    norm: float | None = None
    max_abs: float | None = None
    zeros: float | None = None
    nonfinite: int = 0
    weight: float | None = None
    update: float | None = None
    first_norm: float | None = None
    samples: int = 0
    trend: deque[float | None] = field(default_factory=lambda: deque(maxlen=TREND))
    view: ParameterView | None = None


class GradientTable:
    """Fold of `model`, `optimizer` and `gradients` events."""

    def __init__(self) -> None:
        self._rows: dict[int, _Row] = {}
        self._holder: dict[int, int] = {}  # parameter to optimizer, as the optimizers said
        self._view: tuple[ParameterView, ...] | None = ()
        self.step: int | None = None

    def model(self, event: events.Model) -> None:
        for parameter in event.parameters[:MOST_PARAMETERS]:
            row = self._rows.get(parameter.p)
            if row is None:
                self._rows[parameter.p] = _Row(parameter)
            else:
                row.parameter, row.view = parameter, None
        self._view = None

    def optimizer(self, event: events.Optimizer) -> None:
        """Parameters are often known before the optimizer that holds them."""
        for p in (p for group in event.groups for p in group.parameters):
            self._holder[p] = event.index
            if p in self._rows:
                self._rows[p].view = None
        self._view = None

    def gradients(self, event: events.Gradients) -> None:
        lengths = {len(event.norm), len(event.max_abs), len(event.zeros), len(event.nonfinite), len(event.weight)}
        if min(lengths | {len(event.update)}) < len(event.p):
            raise ValueError("columns of unequal length")
        for i, p in enumerate(event.p):
            self._sample(event, i, p)
        self.step = event.step
        self._view = None

    def _sample(self, event: events.Gradients, i: int, p: int) -> None:
        row = self._rows.get(p)
        if row is None:
            if len(self._rows) >= MOST_PARAMETERS:
                return
            row = self._rows[p] = _Row(_unnamed(p))
        row.step, row.norm, row.max_abs, row.zeros = event.step, event.norm[i], event.max_abs[i], event.zeros[i]
        row.nonfinite, row.weight, row.update = event.nonfinite[i], event.weight[i], event.update[i]
        row.trend.append(row.norm)
        row.samples += 1
        if row.first_norm is None:
            row.first_norm = row.norm
        row.view = None

    def view(self) -> tuple[ParameterView, ...]:
        """In the order of the parameter indices."""
        if self._view is None:
            self._view = tuple(_view(self._rows[p], self._holder.get(p)) for p in sorted(self._rows))
        return self._view


def _unnamed(p: int) -> events.Parameter:
    """A parameter that was sampled before any model named it."""
    return events.Parameter(
        p=p, name=f"parameter {p}", shape=[], dtype="", device="", requires_grad=True, numel=0, optimizer=None
    )


def _view(row: _Row, holder: int | None) -> ParameterView:
    if row.view is None:
        of = row.parameter
        row.view = ParameterView(
            p=of.p,
            name=of.name,
            module=of.name.rpartition(".")[0],
            shape=of.shape,
            dtype=of.dtype,
            requires_grad=of.requires_grad,
            optimizer=of.optimizer if holder is None else holder,
            numel=of.numel,
            step=row.step,
            norm=row.norm,
            max_abs=row.max_abs,
            zeros=row.zeros,
            nonfinite=row.nonfinite,
            weight=row.weight,
            update=row.update,
            trend=tuple(row.trend),
            first_norm=row.first_norm,
            samples=row.samples,
        )
    return row.view
