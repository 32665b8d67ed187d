"""A run as a table: one row for each step, one column for each series, streamed from the log.

Steps, logged scalars and evaluations of one step arrive in different lines of the log, some a little later: a row is
given out once `WINDOW` further rows were begun. What comes later still makes a row of its own with the same step.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from dlmon.record import layout
from dlmon.record.reader import RunReader
from dlmon_probes import events

WINDOW = 4096  # rows held back
MOST_COLUMNS = 5000
_BATCH = 64  # events in memory; a block of steps has up to some hundred rows
STEP, TIME = "step", "time"
_OF_STEP = (("lr", "lr"), ("grad_norm", "grad_norm"), ("dt", "step_seconds"), ("wait", "wait_seconds"),
            ("samples", "samples"))  # fmt: skip


class TableRow(NamedTuple):
    """step: index from 0, as in the log. t: unix seconds of its end. values: by column, missing ones left out."""

    step: int
    t: float
    values: dict[str, float]


class Table:
    """The leading process of a run. Reading it twice gives the same rows."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def columns(self) -> list[str]:
        """All columns but step and time: losses, then those of the step, evaluations, scalars. Reads the whole run."""
        kinds: dict[str, int] = {}
        for order, _, _, values in self._parts():
            for name in values:
                kinds.setdefault(name, order)
        return sorted(list(kinds)[:MOST_COLUMNS], key=lambda name: kinds[name])

    def rows(self) -> Iterator[TableRow]:
        """All rows, by their step as far as the window reaches."""
        held: dict[int, list[TableRow]] = {}
        done, count = -1, 0
        for _, step, t, values in self._parts():
            if step <= done:
                yield TableRow(step, t, values)
                continue
            count += _join(held.setdefault(step, []), TableRow(step, t, values))
            if count >= 2 * WINDOW:
                for done in sorted(held):
                    count -= len(held[done])
                    yield from held.pop(done)
                    if count <= WINDOW:
                        break
        for step in sorted(held):
            yield from held[step]

    def _parts(self) -> Iterator[tuple[int, int, float, dict[str, float]]]:
        """(order of the columns, step, time, values) of the leading process, as they stand in the log."""
        live = LiveRows(self.folder)
        while (parts := live.read()) is not None:
            yield from parts


def _join(rows: list[TableRow], new: TableRow) -> int:
    """Put what is new of a step into its last row; into a further one where that has another value already.
    How many rows were added."""
    if rows:
        values = rows[-1].values
        if all(name not in values or values[name] == value for name, value in new.values.items()):
            values.update(new.values)
            return 0
    rows.append(new._replace(values=dict(new.values)))
    return 1


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
        self._loaders: dict[int, int] = {}  # of evaluations without a name, in the order of their first
        self._taken: dict[str, tuple[str, str]] = {}  # who has a column's name

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
                found.extend(self._of(tagged.event))
        return found

    def _of(self, event: Any) -> Iterator[tuple[int, int, float, dict[str, float]]]:
        if isinstance(event, events.Steps):
            yield from self._steps(event)
        elif isinstance(event, events.Scalars):
            values = {self._name(row.tag, event.source): row.value for row in event.rows if row.value is not None}
            if values:
                yield 3, event.at, event.t, values
        elif isinstance(event, events.Evaluation):
            results = self._evaluation(event)
            if results:
                yield 2, event.step, event.t, results
        elif isinstance(event, events.Series):
            self._names[str(event.series)] = self._name(event.name, f"loss {event.series}", str(event.series))
        elif isinstance(event, events.Hello):
            self._origin = event.t

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
            name = self._names[key] = self._name("loss", f"loss {key}", key)
        return name

    def _evaluation(self, event: events.Evaluation) -> dict[str, float]:
        number = self._loaders.setdefault(event.loader, len(self._loaders) + 1)
        name = event.name or ("val" if number == 1 else f"val{number}")
        found = {f"{name}_loss": event.loss, f"{name}_accuracy": event.accuracy}
        return {self._name(tag, "evaluation"): value for tag, value in found.items() if value is not None}

    def _name(self, tag: str, source: str, suffix: str = "") -> str:
        """The column of a series: its name, with its source in front where another one has that name."""
        name = tag or source
        for wanted in (name, f"{name}_{suffix}" if suffix else f"{source}/{name}"):
            owner = self._taken.get(wanted, (source, tag))
            if len(self._taken) < MOST_COLUMNS:
                self._taken[wanted] = owner
            if owner == (source, tag) and wanted not in (STEP, TIME):
                return wanted
        return f"{source}/{name}"


def _row(columns: Sequence[tuple[str, Sequence[float | None]]], row: int) -> dict[str, float]:
    """What the columns hold there; they may be shorter than they should be."""
    return {name: value for name, column in columns if row < len(column) and (value := column[row]) is not None}
