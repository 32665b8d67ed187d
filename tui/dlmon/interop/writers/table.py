"""A run as a table: one row for each step, one column for each series, streamed from the log.

Steps, logged scalars and evaluations of one step arrive in different lines of the log; `window` makes rows of them.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from dlmon.interop import roles
from dlmon.interop.writers.window import LAST_STEP, Late, TableRow, Window, joined
from dlmon.record import layout
from dlmon.record.reader import RunReader
from dlmon.state.evaluation_names import PassNames
from dlmon_probes import events

MOST_COLUMNS = 5000
_BATCH = 64  # events in memory; a block of steps has up to some hundred rows
STEP, TIME = "step", "time"
_OF_STEP = (("lr", "lr"), ("grad_norm", "grad_norm"), ("dt", "step_seconds"), ("wait", "wait_seconds"),
            ("samples", "samples"))  # fmt: skip
_COLUMNS_OF_STEP = frozenset(name for _, name in _OF_STEP)
_OWN = (*_COLUMNS_OF_STEP, "loss", "val_loss", "val_accuracy")  # no logger's series has these names
_RESERVED = ("", "")
# Trainer's global_step counts what is done: what it logs as step 20 is of the step with the index 19.
_COUNTS_DONE = "transformers"
_MEAN_OF_ALL = "train_loss"  # over the whole training, with its last entry


class Table:
    """The leading process of a run as it is at the first look. Reading it twice gives the same rows."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._columns: list[str] | None = None
        self._late: Late | None = None
        self._count = 0  # parts of rows that were there

    def columns(self) -> list[str]:
        """All columns but step and time: losses, then those of the step, evaluations, scalars. Reads the whole run."""
        if self._columns is None:
            self._columns = self._look()
        return self._columns

    def rows(self) -> Iterator[TableRow]:
        """One row for each step, by step. Reads the whole run first: its end may hold numbers of its beginning."""
        self.columns()
        return joined(self._in_window(), iter(()) if self._late is None else self._late.rows())

    def _look(self) -> list[str]:
        """The columns, and what comes too late for the window, which is the same one in the second reading."""
        kinds: dict[str, int] = {}
        window = Window()
        for order, row in self._parts():
            self._count += 1
            for name in row.values:
                if len(kinds) < MOST_COLUMNS:
                    kinds.setdefault(name, order)
            if not window.takes(row):
                self._late = self._late or Late()
                self._late.add(row)
            if window.full:
                deque(window.half(), maxlen=0)
        return sorted(kinds, key=lambda name: kinds[name])

    def _in_window(self) -> Iterator[TableRow]:
        window = Window()
        for _, row in islice(self._parts(), self._count):
            window.takes(row)
            if window.full:
                yield from window.half()
        yield from window.rest()

    def _parts(self) -> Iterator[tuple[int, TableRow]]:
        """(order of the columns, part of a row) of the leading process, as they stand in the log."""
        live = LiveRows(self.folder)
        while (parts := live.read()) is not None:
            for order, step, t, values in parts:
                yield order, TableRow(step, t, values)


def processes(folder: Path) -> list[str]:
    """The logs of the training processes, by rank."""
    return [name for name in layout.log_files(folder) if name != layout.HOST]


def leader(folder: Path) -> str | None:
    """The log of the process that is shown and exported; None before any has reported."""
    return next(iter(processes(folder)), None)


class LiveRows:
    """Parts of rows as they are written."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._reader = RunReader(folder)
        self._leader: str | None = None
        self._origin = 0.0
        self._names: dict[str, str] = {}  # of series, by index
        self._passes = PassNames()
        self._taken: dict[str, tuple[str, str]] = {}  # who has a column's name: source and tag

    def read(self) -> list[tuple[int, int, float, dict[str, float]]] | None:
        """(order, step, time, values); None where there is nothing more for now."""
        batch = self._reader.read(limit=_BATCH, seconds=1.0)
        if not batch.events and not batch.more:
            return None
        found: list[tuple[int, int, float, dict[str, float]]] = []
        for tagged in batch.events:
            if tagged.rank == layout.SUPERVISOR_RANK:
                continue
            if self._leader is None:
                self._leader = leader(self._folder) or tagged.source
            if tagged.source == self._leader:
                found.extend(part for part in self._of(tagged.event) if 0 <= part[1] <= LAST_STEP)
        return found

    def _of(self, event: Any) -> Iterator[tuple[int, int, float, dict[str, float]]]:
        if isinstance(event, events.Steps):
            yield from self._steps(event)
        elif isinstance(event, events.Scalars):
            yield from self._scalars(event)
        elif isinstance(event, events.Evaluation):
            results = self._evaluation(event)
            if results:
                yield 2, event.step, event.t, results
        elif isinstance(event, events.Series):
            self._names[str(event.series)] = self._name(event.name, f"loss {event.series}", str(event.series), own=True)
        elif isinstance(event, events.Loader):
            self._passes.loader(event)
        elif isinstance(event, events.Hello):
            self._origin = event.t
            if event.torch is not None:  # a log of another tool has these as scalars only
                self._taken.update(dict.fromkeys(_OWN, _RESERVED))

    def _scalars(self, event: events.Scalars) -> Iterator[tuple[int, int, float, dict[str, float]]]:
        """What a logger was given. A counter of done steps speaks of the step before, as when its own log is read."""
        before: dict[str, float] = {}
        values: dict[str, float] = {}
        for row in event.rows:
            if row.value is not None:
                place = before if _is_of_the_step_before(event, row.tag) else values
                place[self._name(row.tag, event.source)] = row.value
        for step, part in ((event.at - 1, before), (event.at, values)):
            if part:
                yield 3, step, event.t, part

    def _steps(self, event: events.Steps) -> Iterator[tuple[int, int, float, dict[str, float]]]:
        losses = [(self._loss(key), column) for key, column in event.loss.items()]
        columns = [(name, getattr(event, field)) for field, name in _OF_STEP]
        present = [(name, column) for name, column in columns if any(value is not None for value in column)]
        for row, at in enumerate(event.at):
            for order, part in ((0, losses), (1, present)):
                values = _row(part, row)
                if values:
                    yield order, event.first + row, self._origin + at, values

    def _loss(self, key: str) -> str:
        name = self._names.get(key)
        if name is None:
            name = self._names[key] = self._name("loss", f"loss {key}", key, own=True)
        return name

    def _evaluation(self, event: events.Evaluation) -> dict[str, float]:
        name = self._passes.of(event).column
        found = {f"{name}_loss": event.loss, f"{name}_accuracy": event.accuracy}
        return {self._name(tag, "evaluation", own=True): value for tag, value in found.items() if value is not None}

    def _name(self, tag: str, source: str, suffix: str = "", *, own: bool = False) -> str:
        """The column of a series: its name, with its source in front where another one has that name.

        own: measured here, not logged by the script: may have a name that is kept for such.
        """
        name = tag or source
        for wanted in (name, f"{name}_{suffix}" if suffix else f"{source}/{name}"):
            owner = self._taken.get(wanted, (source, tag))
            if own and owner == _RESERVED and wanted not in _COLUMNS_OF_STEP:
                owner = source, tag
            if len(self._taken) < MOST_COLUMNS:
                self._taken[wanted] = owner
            if owner == (source, tag) and wanted not in (STEP, TIME):
                return wanted
        return f"{source}/{name}"


def _row(columns: Sequence[tuple[str, Sequence[float | None]]], row: int) -> dict[str, float]:
    """What the columns hold there; they may be shorter than they should be."""
    return {name: value for name, column in columns if row < len(column) and (value := column[row]) is not None}


def _is_of_the_step_before(event: events.Scalars, tag: str) -> bool:
    if event.source != _COUNTS_DONE or event.at < 1 or tag == _MEAN_OF_ALL:
        return False
    return roles.role(tag).kind in (roles.LOSS, roles.LR, roles.GRAD_NORM)
