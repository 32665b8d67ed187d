"""A stage that is going on: followed until it has ended, then judged."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from dlmon.errors import UserError
from dlmon.launch import requests
from dlmon.launch.ended import Ending
from dlmon.record.output import OutputTail
from dlmon.record.reader import Tagged
from dlmon.rehearsal.report import INCONCLUSIVE, StageReport
from dlmon.rehearsal.stages import REVIEW
from dlmon.view import RunFollower, View
from dlmon_probes import control, events

END_SECONDS = 15.0  # after a stage ended its script: loader workers, other ranks and atexit handlers finish
STOP_SECONDS = 5.0  # between the signals with which a stage is stopped
LAST_LINES = 40


class RunWatch:
    """Follows one run of the rehearsal. `over` is true once it has ended and everything of it was read."""

    def __init__(self, folder: Path, timeout: float) -> None:
        self.folder = folder
        self.timed_out = False
        self.over = False
        self.began = time.monotonic()
        self.ended = self.began
        self._timeout = timeout
        self._follower = RunFollower(folder, tap=self._look_for_end)
        self._ending = Ending(folder)
        self._output = OutputTail(folder)
        self._stage_ended: float | None = None  # when the stage ended its script
        self._stopped = False
        self._said: tuple[str, ...] | None = None  # its last lines before it was stopped

    def advance(self) -> None:
        """Read what is new; stop the run where it is time to. Cheap when nothing happened."""
        if self.over:
            return
        manifest = self._ending.manifest()
        while self._follower.advance():
            pass
        if manifest is not None:
            self.over, self.ended = True, time.monotonic()
            while self._follower.advance():
                pass
            return
        self._stop_in_time(time.monotonic())

    def _stop_in_time(self, now: float) -> None:
        if self._stopped:
            return
        if self._stage_ended is not None and now - self._stage_ended > END_SECONDS:
            self.stop("the stage is over")
        elif self._stage_ended is None and now - self.began > self._timeout:
            self.timed_out = True
            self.stop(f"the stage took more than {self._timeout:g} s")

    def _look_for_end(self, tagged: Sequence[Tagged]) -> None:
        if any(isinstance(item.event, events.Stage) and item.event.action == "end" for item in tagged):
            self._stage_ended = self._stage_ended or time.monotonic()

    def stop(self, by: str) -> None:
        self._said = self._said or self.output()
        self._stopped = True
        try:
            requests.stop(self.folder, grace=STOP_SECONDS, by=by)
        except UserError:
            self._stopped = False  # its supervisor is not there yet, or not any more

    def view(self) -> View:
        return self._follower.view()

    def output(self) -> tuple[str, ...]:
        """The last lines that it printed, as far as it printed them of its own accord."""
        if self._said is not None:
            return self._said
        while self._output.poll():
            pass
        lines = list(self._output.lines)[-LAST_LINES:]
        return tuple([*lines, self._output.partial] if self._output.partial else lines)

    def torch_imported(self) -> bool:
        return reached(self.folder, control.STAGE_TORCH_READY)


def reached(folder: Path, stage: int) -> bool:
    """Whether any process of a run got as far as `stage` (see dlmon_probes.control)."""
    try:
        page = control.ControlPage(str(folder))
    except (OSError, ValueError):
        return False
    try:
        return page.read(control.STAGE) >= stage
    finally:
        page.close()


def release(folder: Path) -> None:
    """Let a run that was started in advance go on."""
    page = control.ControlPage(str(folder))
    page.write(control.RELEASED, 1)
    page.close()


class RunningReview:
    """The review reads beside everything else. It cannot be stopped, and need not be: it takes about a second."""

    stage = REVIEW
    folder: Path | None = None

    def __init__(self, judge: Callable[[], StageReport], done: Callable[[StageReport], StageReport]) -> None:
        pool = ThreadPoolExecutor(1)
        self._future = pool.submit(judge)
        pool.shutdown(wait=False)
        self._done = done
        self._aborted = False

    def poll(self) -> StageReport | None:
        if self._aborted:
            return self._done(StageReport(REVIEW, INCONCLUSIVE, "stopped before it was done"))
        return self._done(self._future.result()) if self._future.done() else None

    def abort(self) -> None:
        self._aborted = True
