"""Stopping a training: SIGINT as Ctrl-C would, then SIGTERM, then SIGKILL to all that is left. Each is recorded."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable

from dlmon.launch import processes
from dlmon.launch.recorder import EventLog
from dlmon_probes.events import Signal

LEFT_BEHIND_SECONDS = 1.0  # for loader workers to see that their parent is gone
_ESCALATION = (signal.SIGINT, signal.SIGTERM, signal.SIGKILL)


class Stopping:
    """The state of a stop: which signal comes next and when.

    tree: gives the pids of the training and all it started. foreground: gives the terminal's foreground group.
    """

    def __init__(
        self, child: int, events: EventLog, tree: Callable[[], list[int]], foreground: Callable[[], int | None]
    ) -> None:
        self._child = child
        self._events = events
        self._tree = tree
        self._foreground = foreground
        self._grace = 0.0
        self._next = 0  # index into _ESCALATION
        self._at: float | None = None

    @property
    def begun(self) -> bool:
        return self._next > 0

    def due(self) -> float | None:
        """When the next signal is to be sent (monotonic seconds), None when none is."""
        return self._at

    def request(self, grace: float, by: str, *, first: signal.Signals = signal.SIGINT) -> None:
        """Begin, with `first`; asked for once more, do not wait any longer with the next signal."""
        if not self.begun:
            self._next = _ESCALATION.index(first)
        self._grace = grace
        self._send_next(f"{by} asked to stop")

    def escalate(self) -> None:
        """Send the next signal because the training goes on."""
        self._send_next(f"it went on for {self._grace:g} s after {_ESCALATION[self._next - 1].name}")

    def _send_next(self, reason: str) -> None:
        if self._next >= len(_ESCALATION):
            return
        self._send(_ESCALATION[self._next], reason)
        self._next += 1
        last = self._next == len(_ESCALATION)
        self._at = None if last else time.monotonic() + max(self._grace, 0.1)

    def _send(self, number: signal.Signals, reason: str) -> None:
        self._events.write(Signal(time.time(), number.name, reason))
        if number is signal.SIGINT:
            self.interrupt()
        elif number is signal.SIGTERM:
            self._terminate()
        else:
            self._kill_all()

    def interrupt(self) -> None:
        """What Ctrl-C does: SIGINT to the foreground group."""
        self._to_group(self._foreground() or self._child, signal.SIGINT)

    def _terminate(self) -> None:
        self._to_group(self._child, signal.SIGTERM)

    def _to_group(self, group: int, number: signal.Signals) -> None:
        try:
            os.killpg(group, number)
        except (ProcessLookupError, PermissionError):
            processes.kill([self._child], number)

    def _kill_all(self) -> None:
        """Twice: a process may fork between the look and the kill."""
        for _ in range(2):
            processes.kill(self._tree(), signal.SIGKILL)

    def clear_up(self) -> None:
        """After the training ended at our request: what it started and left behind ends too."""
        deadline = time.monotonic() + LEFT_BEHIND_SECONDS
        while (left := self._tree()) and time.monotonic() < deadline:
            time.sleep(0.05)
        if left:
            reason = f"{len(left)} processes were left behind" if len(left) > 1 else "1 process was left behind"
            self._events.write(Signal(time.time(), signal.SIGKILL.name, reason))
            self._kill_all()
