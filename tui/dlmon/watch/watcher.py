"""The process that watches one run for its conditions and findings, beside every screen and after the last has gone.

Started by `watch.start`. It reads the run's logs as a screen does, and ends with the run.
"""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from dlmon.launch.ended import Ending
from dlmon.launch.recorder import EventLog
from dlmon.record.reader import RunReader, Tagged
from dlmon.view import RunFollower
from dlmon.watch.acting import Acting, paused, reason
from dlmon.watch.command import OnFinding
from dlmon.watch.conditions import Conditions
from dlmon.watch.orders import Orders, decoded
from dlmon_probes.events_watch import Break, Judging, Watched

POLL_SECONDS = 0.05
JUDGE_SECONDS = 0.5  # between two looks for findings, as in a run without a screen
LOG = "watch.log"


class Watcher:
    """One run being watched."""

    def __init__(self, folder: Path, orders: Orders) -> None:
        self._ending = Ending(folder)
        self._over = False
        self._log = EventLog(folder)
        self._conditions = Conditions(orders.conditions())
        self._acting = Acting(folder, self._is_over)
        self._command = OnFinding(orders.on_finding, folder, folder / LOG) if orders.on_finding else None
        # Findings need the whole state of the run; conditions alone, which are most, its events only.
        self._follower = RunFollower(folder, tap=self._see) if self._command is not None else None
        self._reader = RunReader(folder)
        self._judged = 0.0

    def _is_over(self) -> bool:
        self._over = self._over or self._ending.manifest() is not None
        return self._over

    def _see(self, events: Sequence[Tagged]) -> None:
        for tagged in events:
            if isinstance(tagged.event, Judging):
                self._conditions.leave_to_training(tagged.event.conditions)
            elif isinstance(tagged.event, Break):
                self._paused_itself(tagged.event)
        for met in self._conditions.see(events):
            if not self._over:
                self._tell(met.action, self._acting.act(met), met.step, reason(met))

    def _paused_itself(self, event: Break) -> None:
        met = self._conditions.broke(event)
        if met is not None:
            self._tell(met.action, paused(met), met.step, reason(met))

    def _tell(self, action: str, line: str, step: int | None = None, because: str = "") -> None:
        if line:
            self._log.write(Watched(time.time(), action, line, step, because))

    def run(self) -> None:
        """Until the run is over and all of it was read. Afterwards what could never be judged is on stdout."""
        while not self._is_over():
            if not self._turn():
                time.sleep(POLL_SECONDS)
        while self._read():
            continue
        self._look_for_findings(at_once=True)
        for line in self._conditions.never_judged():
            print(line, flush=True)  # noqa: T201

    def _turn(self) -> bool:
        """Read and act on what is new; true if there may be more at once."""
        more = self._read()
        if not more:
            self._look_for_findings()
        return more

    def _read(self) -> bool:
        if self._follower is not None:
            return self._follower.advance()
        batch = self._reader.read()
        self._see(batch.events)
        return batch.more

    def _look_for_findings(self, at_once: bool = False) -> None:
        now = time.monotonic()
        if self._command is None or self._follower is None or (now - self._judged < JUDGE_SECONDS and not at_once):
            return
        self._judged = now
        for trouble in self._command.look(self._follower.view().judgement.findings):
            self._tell("trouble", trouble)


def main() -> None:
    """`watcher FOLDER ORDERS`: orders as JSON."""
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGPIPE):
        signal.signal(number, signal.SIG_IGN)  # it ends with the run, not with whoever started it
    try:
        Watcher(Path(sys.argv[1]), decoded(sys.argv[2])).run()
    except BrokenPipeError:
        return
