"""A run as everything that shows it sees it: reader → RunState → snapshot → findings, for live, attach and replay."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from dlmon.checks.finding import Judgement
from dlmon.checks.registry import Judge
from dlmon.record.reader import RunReader, Tagged
from dlmon.state.run_state import RunState
from dlmon.state.snapshot import RunSnapshot


@dataclass(frozen=True)
class View:
    """A snapshot and what the checks say of it."""

    snapshot: RunSnapshot
    judgement: Judgement


class RunFollower:
    """Reads what a run has written since the last call and folds it in. One per screen; not thread-safe.

    tap: is given the events of each read, before they are folded in.
    """

    def __init__(self, folder: Path, tap: Callable[[Sequence[Tagged]], None] | None = None) -> None:
        self.folder = folder
        self.reader = RunReader(folder)
        self.state = RunState(folder)
        self.folded = 0  # events so far: a screen draws when it has grown
        self._tap = tap
        self._judge = Judge()

    def advance(self, *, limit: int = 2000, seconds: float = 0.05) -> bool:
        """Read at most `limit` events or for `seconds`; true if there may be more to read at once."""
        batch = self.reader.read(limit=limit, seconds=seconds)
        if self._tap is not None:
            self._tap(batch.events)
        self.state.fold_all(batch.events)
        self.folded += len(batch.events)
        self.state.corrupt_lines = self.reader.corrupt_lines
        return batch.more

    def view(self, now: float | None = None) -> View:
        """The run as far as it was read. now: unix seconds (the clock, unless a replay or a test gives its own)."""
        snapshot = self.state.snapshot(now)
        return View(snapshot, self._judge(snapshot))
