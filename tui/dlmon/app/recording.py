"""A whole run in memory, to be played from any moment: its events, and the state at evenly spaced places between."""

from __future__ import annotations

import pickle
from array import array
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from dlmon.app.source import FindingAt
from dlmon.checks.finding import Finding
from dlmon.checks.registry import Judge
from dlmon.record.reader import RunReader, Tagged
from dlmon.state.run_state import RunState
from dlmon.view import View
from dlmon_probes.events import Crash, Hello, Output, Steps

CHECKPOINTS = 48  # a seek folds at most this part of the run
FEWEST_EVENTS = 200  # between two of them
LOOK_AHEAD = 1.0  # seconds: a block of steps is written at most this long after its first step
PORTION = 4000  # events read or folded before the screen hears of the progress


@dataclass(frozen=True)
class _Checkpoint:
    """The state before event `index`, pickled: ten times as fast as a deep copy."""

    index: int
    state: bytes


class Recording:
    """Read with `load` until it returns 1, then `seek`. Not thread-safe."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.events: list[Tagged] = []
        self.times: list[float] = []  # of each event, never falling
        self.origin = 0.0  # unix seconds of the first event
        self.length = 0.0
        self.findings: list[FindingAt] = []
        self._reader: RunReader | None = RunReader(folder)
        self._origins: dict[str, float] = {}  # hello's time by source: what `at` counts from
        self._blocks: list[tuple[int, int]] = []  # (first step, event index) of the leading process
        self._outputs: list[tuple[float, int]] = []  # (time, bytes of output.log)
        self._leader: tuple[int, str] | None = None
        self._checkpoints: list[_Checkpoint] = []
        self._corrupt = 0
        self._index = 0  # events folded
        self._rewind()

    # ---- loading

    def load(self) -> float:
        """One more portion of the run; the share that is done, 1 when all is."""
        if self._reader is not None:
            return self._read(self._reader)
        return self._scan()

    def _read(self, reader: RunReader) -> float:
        batch = reader.read(limit=PORTION, seconds=0.2)
        for tagged in batch.events:
            self._add(tagged)
        if batch.more:
            return 0.25
        self._corrupt = reader.corrupt_lines
        self._reader = None
        self.origin = self.times[0] if self.times else 0.0
        self.length = self.times[-1] - self.origin if self.times else 0.0
        return 0.5 if self.events else 1.0

    def _add(self, tagged: Tagged) -> None:
        event, source = tagged.event, tagged.source
        if isinstance(event, Hello):
            self._origins.setdefault(source, event.t)
        elif isinstance(event, Output):
            self._outputs.append((event.t, event.offset))
        elif isinstance(event, Steps) and event.at:
            tagged = replace(tagged, event=compact(event))
            if self._leader is None or tagged.rank < self._leader[0]:
                self._leader, self._blocks = (tagged.rank, source), []
            if self._leader[1] == source:
                self._blocks.append((event.first, len(self.events)))
        self.events.append(tagged)
        self.times.append(max(event.t, self.times[-1] if self.times else event.t))

    def _scan(self) -> float:
        """Fold a part of the run, keep the state it led to, and see which findings were raised on the way."""
        part = max(FEWEST_EVENTS, -(-len(self.events) // CHECKPOINTS))
        self._checkpoints.append(_Checkpoint(self._index, pickle.dumps((self._state, self._judge))))
        stop = min(len(self.events), self._index + part)
        self._state.fold_all(self.events[self._index : stop])
        self._index = stop
        self._note_findings(self._view_at(self.times[stop - 1]))
        if stop < len(self.events):
            return 0.5 + 0.5 * stop / len(self.events)
        self.findings.sort(key=lambda found: found.second)
        return 1.0

    def _note_findings(self, view: View) -> None:
        known = {(found.finding.id, found.finding.rank, found.finding.where) for found in self.findings}
        for finding in view.judgement.findings:
            if (finding.id, finding.rank, finding.where) not in known:
                self.findings.append(FindingAt(self._second_of(finding), finding))

    def _second_of(self, finding: Finding) -> float:
        """When it was raised: the step it names, of a crash the moment it was recorded, else where the scan is."""
        if finding.id.startswith("crash."):
            crash = next((tagged.event.t for tagged in self.events if isinstance(tagged.event, Crash)), None)
            return max(0.0, (crash if crash is not None else self.times[-1]) - self.origin)
        second = self.second_of_step(finding.step) if finding.step is not None else None
        return second if second is not None else max(0.0, self.times[self._index - 1] - self.origin)

    # ---- playing

    def _rewind(self) -> None:
        self._state, self._judge = RunState(self.folder), Judge()
        self._index = 0
        self._partial: dict[int, int] = {}  # rows of a block that were folded ahead of the rest

    def seek(self, second: float) -> View:
        """The run as it stood `second` seconds after its start."""
        moment = self.origin + second
        target = bisect_right(self.times, moment)
        ahead = any(self._row_time(index, rows - 1) > moment for index, rows in self._partial.items())
        if target < self._index or ahead:
            self._restore(target)
        elif target - self._index > 2 * FEWEST_EVENTS:
            nearest = self._nearest(target)
            if nearest is not None and nearest.index > self._index:
                self._restore(target)
        for index in range(self._index, target):
            self._fold_rows(index, None)
        self._index = target
        self._fold_begun_block(target, moment)
        return self._view_at(moment)

    def _nearest(self, target: int) -> _Checkpoint | None:
        at = bisect_right([checkpoint.index for checkpoint in self._checkpoints], target) - 1
        return self._checkpoints[at] if at >= 0 else None

    def _restore(self, target: int) -> None:
        nearest = self._nearest(target)
        self._rewind()
        if nearest is not None:
            self._state, self._judge = pickle.loads(nearest.state)
            self._index = nearest.index

    def _view_at(self, moment: float) -> View:
        self._state.corrupt_lines = self._corrupt
        snapshot = self._state.snapshot(moment)
        return View(snapshot, self._judge(snapshot))

    def _fold_begun_block(self, target: int, moment: float) -> None:
        """Steps are written in blocks: of the one that was under way, the rows that were done by then."""
        for index in range(target, len(self.events)):
            if self.times[index] > moment + LOOK_AHEAD:
                return
            tagged = self.events[index]
            if isinstance(tagged.event, Steps) and self._leader is not None and tagged.source == self._leader[1]:
                rows = bisect_right(tagged.event.at, moment - self._origins.get(tagged.source, 0.0) + 1e-6)
                if rows > self._partial.get(index, 0):
                    self._fold_rows(index, rows)
                return

    def _fold_rows(self, index: int, stop: int | None) -> None:
        """Fold an event; of a block of steps the rows up to `stop` that were not folded yet."""
        tagged = self.events[index]
        start = self._partial.pop(index, 0)
        if isinstance(tagged.event, Steps) and (start or stop is not None):
            tagged = replace(tagged, event=rows_of(tagged.event, start, stop))
        if stop is not None:
            self._partial[index] = stop
        self._state.fold(tagged)

    def _row_time(self, index: int, row: int) -> float:
        tagged = self.events[index]
        at: Sequence[float] = tagged.event.at
        return self._origins.get(tagged.source, 0.0) + float(at[row])

    # ---- places

    def second_of_step(self, step: int) -> float | None:
        """When that step was done; the nearest there is. None without any steps."""
        if not self._blocks:
            return None
        at = max(0, bisect_right(self._blocks, (step, len(self.events))) - 1)
        first, index = self._blocks[at]
        rows = len(self.events[index].event.at)
        row = min(max(0, step - first), rows - 1)
        return min(self.length, max(0.0, self._row_time(index, row) - self.origin))

    def output_size(self, second: float) -> int:
        """How long output.log was then, in bytes."""
        at = bisect_right(self._outputs, (self.origin + second, 1 << 62)) - 1
        return self._outputs[at][1] if at >= 0 else 0


def compact(event: Steps) -> Steps:
    """The block with its columns of floats packed, where none is missing: a quarter of the memory."""
    return replace(
        event, at=_packed(event.at), dt=_packed(event.dt), wait=_packed(event.wait), lr=_packed(event.lr),
        loss={key: _packed(values) for key, values in event.loss.items()},
    )  # fmt: skip


def _packed(values: Any) -> Any:
    try:
        return array("d", values)
    except TypeError:
        return values


def rows_of(event: Steps, start: int, stop: int | None) -> Steps:
    """Rows start..stop of a block."""
    part = slice(start, stop)
    return replace(
        event, first=event.first + start, at=event.at[part], dt=event.dt[part], wait=event.wait[part],
        lr=event.lr[part], micro=event.micro[part], samples=event.samples[part],
        loss={key: values[part] for key, values in event.loss.items()}, grad_norm=event.grad_norm[part],
    )  # fmt: skip
