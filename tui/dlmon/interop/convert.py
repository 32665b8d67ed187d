"""Rows of another tool's log become the lines of a run's log: steps, evaluations, scalars.

A training loss becomes a series of the loss chart, a loss or accuracy of an evaluation an `evaluation`, learning rate
and gradient norm columns of the step; all others are scalars of their name. Nothing is thinned, and nothing is added
but times where the source has none: then one millisecond stands for a row, and a notice says so.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO

from dlmon.interop import blocks, roles
from dlmon.interop.blocks import Block, Encoder
from dlmon.interop.plans import Plan, plan
from dlmon.interop.rows import Ended, Reader, Row
from dlmon.record import layout
from dlmon.record.codec import encode_event
from dlmon_probes import events
from dlmon_probes.events_watch import Watched

ROW_SECONDS = 0.001  # stands for a row where the source has no times
MOST_PLANS = 4096
LATEST = 1e11  # unix seconds; beyond that it is something else


class Conversion:
    """Writes what a reader gives into a run folder. rows: how many there were; points: how many numbers."""

    def __init__(self, reader: Reader, folder: Path, origin: float) -> None:
        """folder: there already. origin: unix seconds at which a source without times begins."""
        self.reader = reader
        self.rows = self.points = 0
        self.origin: float | None = None
        self.clock: Callable[[], float] | None = None  # of a source that is followed, where it has no times
        self.last = origin  # unix seconds of the last row
        self._fallback = origin
        self._log: BinaryIO = (folder / layout.rank_file(0)).open("ab")
        self._host: BinaryIO = (folder / layout.HOST).open("ab")
        self._encode = Encoder()
        self._finite = True  # whether everything that waits to be written is
        self._plans: dict[tuple[str, ...], Plan] = {}
        self._group: dict[str, float] = {}
        self._step: int | None = None
        self._block = Block()
        self._after: list[Any] = []  # events of the steps in the block, written behind it
        self._series: dict[str, str] = {}
        self._loaders: dict[str, int] = {}
        self._last_step: tuple[int, float] | None = None
        self._next_step = 0
        self._timed = True
        self._told: set[str] = set()
        self._ended = False

    def advance(self) -> bool:
        """Convert the next portion; false when the source has nothing more for now. Raises OSError and UserError."""
        rows = self.reader.read()
        if rows is None:
            return False
        self._take(rows)
        return True

    def flush(self) -> None:
        """Write what is held back for rows that might belong to it."""
        self._close_group()
        self._write_block()
        self._tell(self.reader.trouble)
        self._log.flush()
        self._host.flush()

    def finish(self) -> None:
        """Nothing more is expected: the last line, and the end if the source tells of one."""
        self._take(self.reader.finish())
        self.flush()
        if self.origin is None or self._ended:
            return
        self._ended = True
        ended = self.reader.ended or Ended(0, 0.0)
        seconds = max(ended.seconds, self.last - self.origin)
        exit = events.Exit(self.last, ended.code, seconds, recorded=self.reader.ended is not None)
        self._host.write(encode_event(exit))
        self._host.flush()

    def close(self) -> None:
        self._log.close()
        self._host.close()

    # ---- rows to groups of one step

    def _take(self, rows: Sequence[Row]) -> None:
        for row in rows:
            if not row.values:
                continue
            self.rows += 1
            self.points += len(row.values)
            step = self._next_step if row.step is None else row.step
            if step != self._step or not self._group.keys().isdisjoint(row.values):
                self._close_group()
            if self.origin is None:
                self._begin(row.t)
            self.last = self._time_of(row.t)
            self._step, self._next_step = step, step
            self._group.update(row.values)

    def _begin(self, t: float | None) -> None:
        self._timed = t is not None and abs(t) < LATEST
        self.origin = self.last = t if t is not None and self._timed else self._fallback
        pid, host = 0, ""
        self._log.write(encode_event(events.Hello(self.origin, events.SCHEMA, "rank", pid, host)))
        self._log.write(encode_event(events.Phase(self.origin, "training")))
        self._host.write(encode_event(events.Hello(self.origin, events.SCHEMA, "supervisor", pid, host)))
        if not self._timed:
            self._tell([f"the {self.reader.kind} holds no times: those shown mean nothing"])

    def _time_of(self, t: float | None) -> float:
        if self._timed:
            return self.last if t is None or not abs(t) < LATEST else t
        now = 0.0 if self.clock is None else self.clock()
        return max(self.last + ROW_SECONDS, now)

    # ---- groups to events

    def _close_group(self) -> None:
        values, step = self._group, self._step
        if not values or step is None:
            return
        self._group = {}
        tags = tuple(values)
        found = self._plans.get(tags)
        if found is None:
            if len(self._plans) > MOST_PLANS:
                self._plans.clear()
            found = self._plans[tags] = plan(tags)
        row = step - 1 if self.reader.counts_done and step else step
        if not found.losses and self._last_step is not None and row <= self._last_step[0]:
            # Learning rates that come without a loss, behind the row of their step, would count the step twice.
            found = found.without_step()
        if found.of_a_step:
            self._step_row(row, values, found)
        # Only now: the row of a step may have sent the block before it on its way.
        self._finite = self._finite and math.isfinite(sum(values.values()))
        self._further(step, values, found)
        if len(self._after) >= blocks.ROWS or (self._after and self.last - self._block.began >= blocks.SECONDS):
            self._write_block()

    def _step_row(self, row: int, values: Mapping[str, float], found: Plan) -> None:
        losses = {self._series_of(tag): values[tag] for tag in found.losses}
        columns = {column: values[tag] for tag, column in found.columns}
        if "dt" not in columns and (seconds := self._mean_seconds(row)) is not None:
            columns["dt"] = seconds
        if not self._block.fits(row, self.last):
            self._write_block()
        assert self.origin is not None
        self._block.add(row, self.last, self.last - self.origin, losses, columns)
        self._last_step = (row, self.last)

    def _mean_seconds(self, row: int) -> float | None:
        """Seconds of one step, on average since the last row: logs seldom have every step."""
        if self._last_step is None or not self._timed:
            return None
        steps, seconds = row - self._last_step[0], self.last - self._last_step[1]
        return seconds / steps if steps > 0 and seconds >= 0 else None

    def _series_of(self, tag: str) -> str:
        index = self._series.get(tag)
        if index is None:
            index = self._series[tag] = str(len(self._series))
            self._log.write(encode_event(events.Series(self.last, int(index), tag)))
        return index

    def _further(self, step: int, values: Mapping[str, float], found: Plan) -> None:
        """Results of evaluations, and what stays a scalar."""
        others = list(found.others)
        passes: dict[str, dict[str, float]] = {}
        for tag, name, kind in found.results:
            if kind == roles.EVALUATION_ACCURACY and values[tag] > 1:  # in percent: no share
                others.append(tag)
            else:
                passes.setdefault(name, {})[kind] = values[tag]
        for name, results in passes.items():
            self._after.append(self._evaluation(step, name, results))
        if others:
            rows = [events.ScalarRow(tag, values[tag], step) for tag in others]
            self._after.append(events.Scalars(self.last, self.reader.source, step, rows))

    def _evaluation(self, step: int, name: str, found: Mapping[str, float]) -> events.Evaluation:
        return events.Evaluation(
            self.last, step, batches=0, samples=0, seconds=0.0,
            loader=self._loaders.setdefault(name, len(self._loaders)), loss=found.get(roles.EVALUATION_LOSS),
            accuracy=found.get(roles.EVALUATION_ACCURACY), name=name, root_training=False,
        )  # fmt: skip

    def _write_block(self) -> None:
        block, self._block = self._block.event(), Block()
        lines = [] if block is None else [self._encode(block, self._finite)]
        lines += [self._encode(event, self._finite) for event in self._after]
        self._log.write(b"".join(lines))
        self._after.clear()
        self._finite = True

    def _tell(self, lines: Sequence[str]) -> None:
        """Notices, each once, where the screens show what a run's own process could not do."""
        for line in lines:
            if line not in self._told and self.origin is not None:
                self._told.add(line)
                self._host.write(encode_event(Watched(self.last, "trouble", line)))


def origin_of(path: Path) -> float:
    """Where a source without times begins on the clock: at its last change, which at least is its day."""
    try:
        return path.stat().st_mtime
    except OSError:
        return time.time()
