"""A whole run, to be played from any moment: it is read once, while what was read of it can already be shown."""

from __future__ import annotations

from pathlib import Path

from dlmon.app.player import Checkpoints, PlayedJudge, Player, size_of
from dlmon.app.source import FindingAt
from dlmon.checks.finding import Finding
from dlmon.record.collector import collector_paused
from dlmon.record.reader import RunReader, sizes
from dlmon.record.timeline import Timeline, last_time
from dlmon.state.run_state import RunState
from dlmon.view import View

PARTS = 64  # of the log, with a state kept between two: a seek folds at most one of them
SMALLEST_PART = 1 << 15  # bytes
LOOKS = 24  # how often in the run the checks look for findings, at least
PORTION = 1000  # events between two looks at the clock


class Recording:
    """Call `load` until it returns 1; `seek` meanwhile gives what there is. Not thread-safe.

    The run is taken as it was when it was opened. length: seconds; findings: in the order of their time, those of the
    part that was read. Memory does not grow with the run, but for some bytes per block of steps.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.findings: list[FindingAt] = []
        self._ends = sizes(folder)
        self._size = sum(self._ends.values())
        self._timeline = Timeline(folder)
        self._checkpoints = Checkpoints(max(SMALLEST_PART, self._size // PARTS))
        self._player = Player(folder, self._ends, self._timeline, self._checkpoints)
        self.origin = self._player.first_time() or 0.0
        end = last_time(folder, self._ends)
        self.length = max(0.0, end - self.origin) if end is not None else 0.0
        # What reads on ahead of the player:
        self._reader: RunReader | None = RunReader(folder, ends=self._ends)
        self._state, self._judge = RunState(folder), PlayedJudge()
        self._front: View | None = None  # the newest look at it
        self._looked = 0  # bytes

    # ---- loading

    def load(self) -> float:
        """One more portion of the run; the share that is done, 1 when all is."""
        if self._reader is None:
            return 1.0
        with collector_paused():
            batch = self._reader.read(PORTION, float("inf"))
            note = self._timeline.note
            for tagged in batch.events:
                note(tagged)
            self._state.fold_all(batch.events)
        places = self._reader.places()
        done = size_of(places)
        clock = self._timeline.clock
        if not batch.more:
            return self._finish()
        if clock is not None and self._checkpoints.due(done):
            if self._front is None or done - self._looked >= self._size // LOOKS:
                self._look(clock)
                self._looked = done
            self._checkpoints.keep(clock, places, self._state, self._judge)
        return min(0.999, done / max(1, self._size))

    def _finish(self) -> float:
        assert self._reader is not None
        self._player.corrupt = self._reader.corrupt_lines
        self._reader = None
        self.length = self._timeline.length
        if self._timeline.clock is not None:
            self._look(self._timeline.clock)
        self._front = None
        self._state, self._judge = RunState(self.folder), PlayedJudge()
        return 1.0

    def _look(self, clock: float) -> None:
        """Which findings were raised on the way."""
        snapshot = self._state.snapshot(clock)
        self._front = View(snapshot, self._judge(snapshot))
        known = {(found.finding.id, found.finding.rank, found.finding.where) for found in self.findings}
        new = [
            FindingAt(self._second_of(finding, clock), finding)
            for finding in self._front.judgement.findings
            if (finding.id, finding.rank, finding.where) not in known
        ]
        self.findings = sorted([*self.findings, *new], key=lambda found: found.second)

    def _second_of(self, finding: Finding, clock: float) -> float:
        """When it was raised: the step it names, of a crash the moment it was recorded, else where the look was."""
        if finding.id.startswith("crash."):
            crash = self._timeline.crash
            return max(0.0, (clock if crash is None else crash) - self.origin)
        second = self.second_of_step(finding.step) if finding.step is not None else None
        return second if second is not None else max(0.0, clock - self.origin)

    # ---- playing

    def seek(self, second: float) -> View:
        """The run as it stood `second` seconds after its start; what is not read yet as far as it is."""
        moment = self.origin + second
        if self._front is not None and moment > (self._timeline.clock or self.origin):
            return self._front
        return self._player.at(moment)

    # ---- places

    def second_of_step(self, step: int) -> float | None:
        """When that step was done; the nearest there is. None without any steps."""
        t = self._timeline.time_of_step(step)
        return None if t is None else min(self.length, max(0.0, t - self.origin))

    def output_size(self, second: float) -> int:
        """How long output.log was then, in bytes."""
        return self._timeline.output_size(self.origin + second)
