"""Where a screen's frames come from: a run that is being written, or (in `replay`) one that is played again."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:  # reading a run costs imports that the first paint does not wait for
    from dlmon.checks.finding import Finding
    from dlmon.record.output import OutputTail
    from dlmon.view import View

CLOCK_SECONDS = 1.0  # elapsed times are drawn again this often when nothing else happens
CATCH_UP_SECONDS = 0.3  # how long reading may go on before something is shown


@dataclass(frozen=True)
class OutputLines:
    """What the training printed. lines: oldest first; the last one has the number count - 1. partial: still being
    written. since: unix seconds when it became so, 0 where that is not known (in a replay)."""

    lines: Sequence[str] = ()
    count: int = 0
    partial: str = ""
    since: float = 0.0


@dataclass(frozen=True)
class FindingAt:
    """A finding and the second of the run at which it was raised, for a replay to jump to."""

    second: float
    finding: Finding


@dataclass(frozen=True)
class Playback:
    """Where a replay stands. position, length: seconds from the start of the run.

    loading: the share that has been read, None when all is.
    """

    position: float
    length: float
    speed: float
    playing: bool
    loading: float | None = None
    findings: Sequence[FindingAt] = ()


@dataclass(frozen=True)
class Frame:
    """Everything that is drawn at one moment; immutable. view None: nothing is known of the run yet.

    behind: there is more to read at once, so that the next frame should not wait.
    """

    view: View | None = None
    output: OutputLines = field(default_factory=OutputLines)
    playback: Playback | None = None
    behind: bool = False


class Source(Protocol):
    """Gives frames to a screen; called from one thread, not the screen's."""

    def poll(self) -> Frame | None:
        """The frame to show from now on; None while nothing changed."""

    def close(self) -> None:
        """Give back what it holds."""


class LiveSource:
    """A run as it is being written; a finished one is read to its end."""

    def __init__(self, folder: Path, clock: Callable[[], float] = time.monotonic) -> None:
        from dlmon.record.output import OutputTail
        from dlmon.view import RunFollower

        self._follower = RunFollower(folder)
        self._output = OutputTail(folder)
        self._shown = OutputLines()
        self._clock = clock
        self._drawn: float | None = None

    def poll(self) -> Frame | None:
        before = self._follower.folded
        behind = self._read()
        changed = self._output.poll() or self._follower.folded != before
        now = self._clock()
        if not changed and self._drawn is not None and now - self._drawn < CLOCK_SECONDS:
            return None
        self._drawn = now
        self._shown = lines_of(self._output, self._shown)
        return Frame(self._follower.view(), self._shown, behind=behind)

    def _read(self) -> bool:
        """Read what is there, for a bounded time; true if there is more."""
        started = self._clock()
        while self._follower.advance():
            if self._clock() - started > CATCH_UP_SECONDS:
                return True
        return False

    def close(self) -> None:
        pass


def lines_of(output: OutputTail, before: OutputLines) -> OutputLines:
    """The output as it stands; the same object while it has not changed."""
    partial = output.partial
    if (output.count, partial) == (before.count, before.partial) and len(output.lines) == len(before.lines):
        return before
    return OutputLines(tuple(output.lines), output.count, partial, time.time())
