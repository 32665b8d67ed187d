"""The state of a run at any moment: states that were kept while it was read, and the log from there on."""

from __future__ import annotations

import pickle
from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from dlmon.checks.registry import Judge
from dlmon.record.reader import Place, RunReader, Tagged
from dlmon.record.timeline import Timeline
from dlmon.state.run_state import RunState
from dlmon.view import View
from dlmon_probes.events import Steps

MOST_KEPT = 96 << 20  # bytes of states
LOOK_AHEAD = 1.0  # seconds: a block of steps is written at most this long after its first step
NEAR = 1 << 20  # bytes: as much is folded as fast as a state is restored
PORTION = 512  # events read at a time


@dataclass(frozen=True)
class Checkpoint:
    """The state after all events up to `clock`, and where the logs go on. state: pickled, which never leaves this
    process; ten times as fast as a deep copy. size: bytes of log before it."""

    clock: float
    size: int
    places: Mapping[str, Place]
    state: bytes


class PlayedJudge(Judge):
    """A judge whose copies do not hold the snapshot that it saw last."""

    def __getstate__(self) -> dict[str, object]:
        return {**vars(self), "_last": None}


class Checkpoints:
    """States in the order of their time, in bounded memory: every other one goes when they become too much."""

    def __init__(self, gap: int, most: int = MOST_KEPT) -> None:
        """gap: bytes of log between two."""
        self.gap = gap
        self._most = most
        self._kept: list[Checkpoint] = []

    def due(self, size: int) -> bool:
        return not self._kept or size - self._kept[-1].size >= self.gap

    def keep(self, clock: float, places: Mapping[str, Place], state: RunState, judge: Judge) -> None:
        self._kept.append(Checkpoint(clock, size_of(places), places, pickle.dumps((state, judge))))
        while len(self._kept) > 1 and sum(len(kept.state) for kept in self._kept) > self._most:
            del self._kept[1::2]
            self.gap *= 2

    def before(self, moment: float) -> Checkpoint | None:
        """The last one with nothing in it that came after that moment."""
        at = bisect_right([kept.clock for kept in self._kept], moment) - 1
        return self._kept[at] if at >= 0 else None


def size_of(places: Mapping[str, Place]) -> int:
    """Bytes of log before these places."""
    return sum(place.offset for place in places.values())


class Player:
    """Gives the run as it stood at one moment after another, in any order."""

    def __init__(self, folder: Path, ends: Mapping[str, int], timeline: Timeline, checkpoints: Checkpoints) -> None:
        self._folder, self._ends = folder, ends
        self._timeline, self._checkpoints = timeline, checkpoints
        self.corrupt = 0
        self._begin(None)

    def _begin(self, checkpoint: Checkpoint | None) -> None:
        self._ahead: list[Tagged] = []
        self._next = 0  # in `_ahead`
        # A block ahead, its rows that were folded before the rest, and the moment from which on it may be looked into.
        self._begun: tuple[Tagged, int, float] | None = None
        if checkpoint is None:
            self._state, self._judge = RunState(self._folder), PlayedJudge()
            self._clock = float("-inf")
            self._reader = RunReader(self._folder, ends=self._ends)
        else:
            self._state, self._judge = pickle.loads(checkpoint.state)
            self._clock = checkpoint.clock
            self._reader = RunReader(self._folder, ends=self._ends, places=checkpoint.places)

    def first_time(self) -> float | None:
        """Unix seconds of the first event that is still ahead."""
        return self._ahead[self._next].event.t if self._more(self._next) else None

    def at(self, moment: float) -> View:
        """The run at that time, in unix seconds."""
        self._approach(moment)
        self._fold_until(moment)
        self._fold_begun(moment)
        self._state.corrupt_lines = self.corrupt
        snapshot = self._state.snapshot(moment)
        return View(snapshot, self._judge(snapshot))

    def _approach(self, moment: float) -> None:
        nearest = self._checkpoints.before(moment)
        if self._clock > moment or self._ran_ahead(moment) or self._is_far(nearest):
            self._begin(nearest)

    def _is_far(self, checkpoint: Checkpoint | None) -> bool:
        return checkpoint is not None and checkpoint.size - size_of(self._reader.places()) > NEAR

    def _ran_ahead(self, moment: float) -> bool:
        if self._begun is None:
            return False
        tagged, rows, since = self._begun
        return moment < since or self._timeline.rows_by(tagged.source, tagged.event, moment) < rows

    def _more(self, index: int) -> bool:
        """True if there is an event ahead at that place in `_ahead`; reads on for it."""
        while index >= len(self._ahead):
            batch = self._reader.read(PORTION, float("inf"))
            self._ahead += batch.events
            if not batch.events and not batch.more:
                return False
        return True

    def _fold_until(self, moment: float) -> None:
        fold, clock = self._state.fold, self._clock
        begun = None if self._begun is None else self._begun[0]
        while self._more(self._next):
            ahead, at = self._ahead, self._next
            while at < len(ahead):
                tagged = ahead[at]
                if tagged.event.t > clock:
                    if tagged.event.t > moment:
                        break
                    clock = tagged.event.t
                if tagged is begun:
                    self._fold_rest(tagged)
                else:
                    fold(tagged)
                at += 1
            self._clock, self._next = clock, at
            if at < len(ahead):
                break
            ahead.clear()
            self._next = 0

    def _fold_begun(self, moment: float) -> None:
        """Steps are written in blocks: of the one that was under way, the rows that were done by then."""
        at, clock = self._next, self._clock
        while self._more(at):
            tagged = self._ahead[at]
            event = tagged.event
            clock = max(clock, event.t)
            if clock > moment + LOOK_AHEAD:
                return
            if type(event) is Steps and event.at and tagged.source == self._timeline.leader:
                self._fold_rows(tagged, moment, since=clock - LOOK_AHEAD)
                return
            at += 1

    def _fold_rows(self, tagged: Tagged, moment: float, since: float) -> None:
        rows = self._timeline.rows_by(tagged.source, tagged.event, moment)
        before = 0 if self._begun is None else self._begun[1]
        if rows > before:
            part = tagged._replace(event=replace(rows_of(tagged.event, before, rows), t=moment))
            if before:
                self._state.continue_block(part)
            else:
                self._state.fold(part)
            self._begun = (tagged, rows, since)

    def _fold_rest(self, tagged: Tagged) -> None:
        if self._begun is not None:
            self._state.continue_block(tagged._replace(event=rows_of(tagged.event, self._begun[1], None)))
        self._begun = None


def rows_of(event: Steps, start: int, stop: int | None) -> Steps:
    """Rows start..stop of a block."""
    part = slice(start, stop)
    return replace(
        event, first=event.first + start, at=event.at[part], dt=event.dt[part], wait=event.wait[part],
        lr=event.lr[part], micro=event.micro[part], samples=event.samples[part],
        loss={key: values[part] for key, values in event.loss.items()}, grad_norm=event.grad_norm[part],
    )  # fmt: skip
