"""Step rows on their way to the log: columns of plain numbers until the writing thread makes a block of them.

What survives a step must not be an object that the garbage collector tracks: 6,000 of those a second bring a full
collection every few seconds (60 ms each with torch imported), and that is time taken from the training. Lists of
floats are free of it.
"""

from __future__ import annotations

import _thread
import time
from typing import Any, Optional, Union

from dlmon_probes import events


class LossValue:
    """A loss on its way from a device to the host: a number once `arrived` is true."""

    __slots__ = ("_ready", "value")

    def __init__(self, value: Optional[float], ready: Any = None) -> None:
        self.value = value
        self._ready = ready

    def arrived(self) -> bool:
        if self._ready is not None:
            values = self._ready()
            if values is None:
                return False
            self.value = values[0][0] if values[0] else None
            self._ready = None
        return True


Loss = Union[float, LossValue]


def number_of(value: Loss) -> Optional[float]:
    """A loss that has arrived, as a number; None where it could not be read."""
    return value if isinstance(value, float) else value.value


class Row:
    """The step that is being computed. losses: series → its backward calls so far."""

    __slots__ = ("backwards", "grad_norm", "losses", "lr", "samples", "seen", "stepped", "wait")

    def __init__(self) -> None:
        self.losses: dict[int, list[Loss]] = {}
        self.backwards = 0
        self.wait = 0.0
        self.samples: Optional[int] = None
        self.lr: Optional[float] = None
        self.stepped: list[int] = []
        self.seen: set[int] = set()
        self.grad_norm: Optional[float] = None


class _Columns:
    def __init__(self, first: int) -> None:
        self.first = first
        self.at: list[float] = []
        self.dt: list[Optional[float]] = []
        self.wait: list[float] = []
        self.lr: list[Optional[float]] = []
        self.micro: list[int] = []
        self.samples: list[Optional[int]] = []
        self.grad_norm: list[Optional[float]] = []
        self.loss: dict[int, list[Any]] = {}

    def arrived(self) -> bool:
        """Whether every loss has come over from its device; those that have become numbers."""
        for column in self.loss.values():
            for i, value in enumerate(column):
                if value is None or type(value) is float:
                    continue
                parts = value if type(value) is list else [value]
                if not all(isinstance(part, float) or part.arrived() for part in parts):
                    return False
                column[i] = mean([number_of(part) for part in parts])
        return True

    def event(self) -> events.Steps:
        return events.Steps(
            t=time.time(),
            first=self.first,
            at=[round(at, 5) for at in self.at],
            dt=[None if dt is None else round(dt, 7) for dt in self.dt],
            wait=shortened([round(wait, 7) if wait else 0.0 for wait in self.wait]),
            lr=shortened(self.lr),
            micro=shortened(self.micro),
            samples=shortened(self.samples),
            loss={str(series): self.loss[series] for series in sorted(self.loss)},
            grad_norm=shortened(self.grad_norm),
        )


class Rows:
    """Finished rows. `add` is called by the training, `take` by the writing thread."""

    def __init__(self) -> None:
        self._columns = _Columns(0)
        self._waiting: list[_Columns] = []
        self._lock = _thread.allocate_lock()

    def add(self, step: int, at: float, dt: Optional[float], row: Row) -> None:
        """at: seconds since the file's hello; dt: since the end of the step before."""
        with self._lock:
            columns = self._columns
            count = len(columns.at)
            if not count:
                columns.first = step
            columns.at.append(at)
            columns.dt.append(dt)
            columns.wait.append(row.wait)
            columns.lr.append(row.lr)
            columns.micro.append(row.backwards)
            columns.samples.append(row.samples)
            columns.grad_norm.append(row.grad_norm)
            for series, values in row.losses.items():
                column = columns.loss.get(series)
                if column is None:
                    column = columns.loss[series] = [None] * count
                column.append(values[0] if len(values) == 1 else _mean_or_parts(values))
            if len(columns.loss) > len(row.losses):
                for column in columns.loss.values():
                    if len(column) == count:
                        column.append(None)

    def take(self) -> list[events.Steps]:
        """The rows since the last call as blocks, in order. A block waits while one of its losses is on its way."""
        with self._lock:
            if self._columns.at:
                self._waiting.append(self._columns)
                self._columns = _Columns(0)
        ready = []
        while self._waiting and self._waiting[0].arrived():
            ready.append(self._waiting.pop(0).event())
        return ready

    def clear(self) -> None:
        """A forked child begins anew."""
        self._lock = _thread.allocate_lock()
        self._columns = _Columns(0)
        self._waiting.clear()


def mean(numbers: list[Optional[float]]) -> Optional[float]:
    known = [number for number in numbers if number is not None]
    return sum(known) / len(known) if known else None


def _mean_or_parts(values: list[Loss]) -> Any:
    if all(type(value) is float for value in values):
        return mean([number_of(value) for value in values])
    return values


def shortened(values: list[Any]) -> list[Any]:
    """One value stands for all rows when they are equal: a fifth of the bytes, usually."""
    first = values[0]
    return values[:1] if values.count(first) == len(values) else values
