"""Step rows on their way to the log: packed numbers until the writing thread makes a block of columns of them.

What survives a step must not be an object that the garbage collector tracks: 6,000 of those a second bring a full
collection every few seconds (60 ms each with torch imported), and that is time taken from the training: it cost a
1 ms step 8 %. A `bytes` is free of it, and packing a row is one call.
"""

from __future__ import annotations

import _thread
import struct
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

    __slots__ = ("backwards", "grad_norm", "losses", "lr", "samples", "stepped", "wait")

    def __init__(self) -> None:
        self.losses: dict[int, list[Loss]] = {}
        self.backwards = 0
        self.wait = 0.0
        self.samples: Optional[int] = None
        self.lr: Optional[float] = None
        self.stepped: list[int] = []  # optimizers that had their turn
        self.grad_norm: Optional[float] = None


# One row: at, dt, wait, lr (NaN: none), micro, samples (-1: none), series (-1: see `_Block.extra`), loss.
_ROW = struct.Struct("<ddddqqqd")
_NONE = float("nan")


class _Block:
    """Rows of consecutive steps. rows: packed; extra: by row, what does not fit in one (several series, a loss that is
    still on a device); norms: by row, the gradient norm of sampled steps."""

    def __init__(self, first: int) -> None:
        self.first = first
        self.rows: list[bytes] = []
        self.extra: dict[int, dict[int, list[Loss]]] = {}
        self.norms: dict[int, float] = {}

    def arrived(self) -> bool:
        """Whether every loss has come over from its device."""
        return all(
            isinstance(value, float) or value.arrived()
            for losses in self.extra.values()
            for values in losses.values()
            for value in values
        )

    def event(self) -> events.Steps:
        at, dt, wait, lr, micro, samples, series, loss = zip(*map(_ROW.unpack, self.rows))
        count = len(self.rows)
        columns: dict[int, list[Optional[float]]] = {}
        for i, (name, value) in enumerate(zip(series, loss)):
            if name >= 0:
                columns.setdefault(name, [None] * count)[i] = value
        for i, losses in self.extra.items():
            for name, values in losses.items():
                columns.setdefault(name, [None] * count)[i] = _mean([number_of(value) for value in values])
        norms = [self.norms.get(i) for i in range(count)] if self.norms else [None]
        return events.Steps(
            t=time.time(),
            first=self.first,
            at=[round(value, 5) for value in at],
            dt=[None if value != value else round(value, 7) for value in dt],
            wait=_shortened([round(value, 7) if value else 0.0 for value in wait]),
            lr=_shortened([None if value != value else value for value in lr]),
            micro=_shortened(list(micro)),
            samples=_shortened([None if value < 0 else value for value in samples]),
            loss={str(name): columns[name] for name in sorted(columns)},
            grad_norm=_shortened(norms),
        )


class Rows:
    """Finished rows. `add` is called by the training, `take` by the writing thread."""

    def __init__(self) -> None:
        self._block = _Block(0)
        self._waiting: list[_Block] = []
        self._lock = _thread.allocate_lock()

    def add(self, step: int, at: float, dt: Optional[float], row: Row) -> None:
        """at: seconds since the file's hello; dt: since the end of the step before."""
        losses, series, loss = row.losses, -1, 0.0
        for name, values in losses.items():
            if len(values) == 1 and type(values[0]) is float:
                series, loss = name, values[0]
        with self._lock:
            block = self._block
            if not block.rows:
                block.first = step
            if len(losses) > 1 or (series < 0 and losses):
                block.extra[len(block.rows)] = losses
                series = -1
            if row.grad_norm is not None:
                block.norms[len(block.rows)] = row.grad_norm
            block.rows.append(
                _ROW.pack(
                    at, _NONE if dt is None else dt, row.wait, _NONE if row.lr is None else row.lr, row.backwards,
                    -1 if row.samples is None else row.samples, series, loss,
                )
            )  # fmt: skip

    def take(self) -> list[events.Steps]:
        """The rows since the last call as blocks, in order. A block waits while one of its losses is on its way."""
        with self._lock:
            if self._block.rows:
                self._waiting.append(self._block)
                self._block = _Block(0)
        ready = []
        while self._waiting and self._waiting[0].arrived():
            ready.append(self._waiting.pop(0).event())
        return ready

    def clear(self) -> None:
        """A forked child begins anew."""
        self._lock = _thread.allocate_lock()
        self._block = _Block(0)
        self._waiting.clear()


def _mean(numbers: list[Optional[float]]) -> Optional[float]:
    known = [number for number in numbers if number is not None]
    return sum(known) / len(known) if known else None


def _shortened(values: list[Any]) -> list[Any]:
    """One value stands for all rows when they are equal: a fifth of the bytes, usually."""
    return values[:1] if values.count(values[0]) == len(values) else values
