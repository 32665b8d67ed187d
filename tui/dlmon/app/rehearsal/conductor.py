"""The thread that calls the driver: starting, judging and stopping a stage never keep a key press waiting."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from dlmon.app.rehearsal.stand import Stand, stand_of
from dlmon.errors import UserError
from dlmon.rehearsal.report import StageReport

if TYPE_CHECKING:  # the driver's imports are not for the screen to wait for
    from dlmon.rehearsal.driver import RehearsalLike, Running

PERIOD = 0.1  # seconds between two looks at a running stage
FAREWELL_SECONDS = 30.0  # how long leaving waits for what was started in advance to be stopped


@dataclass(frozen=True)
class News:
    """What the thread has to tell. ended: a stage just did. said: one line for the person. diff: asked for, of
    `of`."""

    stand: Stand
    ended: StageReport | None = None
    said: str = ""
    of: str = ""
    diff: str | None = None


class Conductor:
    """Requests come in from the screen's thread and are carried out in order on its own.

    tell: called on that thread with each piece of news.
    """

    def __init__(self, rehearsal: RehearsalLike, tell: Callable[[News], object]) -> None:
        self._rehearsal, self._tell = rehearsal, tell
        self._running: Running | None = None
        self._requests: queue.SimpleQueue[Callable[[], object] | None] = queue.SimpleQueue()
        self._stand = stand_of(rehearsal.record, rehearsal.wanted)
        self.first = self._stand  # what to draw before any news
        # A daemon: a driver that hangs must not keep the terminal.
        self._thread = threading.Thread(target=self._run, name="dlmon-rehearsal", daemon=True)

    # ---- from the screen

    def start(self) -> None:
        self._thread.start()

    def begin(self, stage: str) -> None:
        self._requests.put(lambda: self._begin(stage))

    def skip(self, stage: str) -> None:
        self._requests.put(lambda: self._skip(stage))

    def abort(self) -> None:
        self._requests.put(lambda: self._running.abort() if self._running is not None else None)

    def ask_changes(self, stage: str) -> None:
        self._requests.put(lambda: self._tell(News(self._stand, of=stage, diff=self._rehearsal.changes(stage))))

    def leave(self) -> None:
        """Let the stage that goes on do so when the screen is gone."""
        self._requests.put(self._rehearsal.leave)

    def finish(self) -> None:
        """Close the rehearsal, after everything that was asked before; waits for it, for a bounded time."""
        self._requests.put(None)
        if self._thread.is_alive():
            self._thread.join(FAREWELL_SECONDS)

    # ---- on the thread

    def _run(self) -> None:
        self._carry_out(self._resume)
        while True:
            try:
                request = self._requests.get(timeout=PERIOD if self._running is not None else None)
            except queue.Empty:
                self._look()
                continue
            if request is None:
                break
            self._carry_out(request)
        self._carry_out(self._rehearsal.close)

    def _carry_out(self, request: Callable[[], object]) -> None:
        try:
            request()
        except UserError as error:
            self._say(str(error))
        except Exception as error:  # the screen stays, and says what it was
            self._say(f"dlmon could not do this: {error!r}; please report it")

    def _say(self, line: str) -> None:
        self._tell(News(self._stand, said=line))

    def _resume(self) -> None:
        """A stage may be under way, or have ended with nobody there to judge it."""
        self._running = running = self._rehearsal.resume()
        if running is not None:
            self._stand = replace(self._stand, running=running.stage, folder=running.folder, began=time.monotonic())
            self._tell(News(self._stand))

    def _begin(self, stage: str) -> None:
        if self._running is not None:
            self._say(f"{self._running.stage} goes on: b stops it")
            return
        changed = ""
        if stage in self._stand.reports:
            from dlmon.app.rehearsal.changes import changed_lines

            changed = changed_lines(self._rehearsal.changes(stage)) or "nothing changed in the sources since"
        before = self._stand
        self._stand = replace(before, running=stage, folder=None, began=time.monotonic())
        self._tell(News(self._stand, said=f"{stage} again: {changed}" if changed else ""))
        try:
            self._running = self._rehearsal.begin(stage)
        except BaseException:
            self._stand = before
            self._tell(News(before))
            raise
        self._stand = replace(self._stand, folder=self._running.folder)
        self._tell(News(self._stand))

    def _look(self) -> None:
        running = self._running
        if running is None:
            return
        try:
            report = running.poll()
        except Exception as error:
            self._running = None
            self._stand = self._after()
            told = str(error) if isinstance(error, UserError) else f"{error!r}; please report it"
            self._say(f"dlmon could not follow {running.stage}: {told}")
            return
        if report is None:
            if running.folder != self._stand.folder:  # known only once its process has started
                self._stand = replace(self._stand, folder=running.folder)
                self._tell(News(self._stand))
            return
        self._running = None
        self._stand = self._after(report)
        self._tell(News(self._stand, ended=report))

    def _skip(self, stage: str) -> None:
        if self._running is not None:
            self._say(f"{self._running.stage} goes on: skip when it has ended, or b aborts it")
            return
        self._stand = self._after(self._rehearsal.skip(stage))
        self._tell(News(self._stand))

    def _after(self, report: StageReport | None = None) -> Stand:
        """With nothing going on, and a report that the record may not have taken in yet."""
        record = self._rehearsal.record
        return stand_of(record if report is None else record.with_report(report), self._rehearsal.wanted)
