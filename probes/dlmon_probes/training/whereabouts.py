"""Which line of the user's code the training's thread is in: all that is known of a process that is killed.

Looked at from the writing thread, 30 µs a look. Frames are let go of before anything is read from a file: they would
keep tensors of the training alive.
"""

from __future__ import annotations

import _thread
import sys
import time
from time import perf_counter
from typing import Any, Optional

from dlmon_probes.events_machine import Place
from dlmon_probes.training import callsite
from dlmon_probes.training.agent import Agent
from dlmon_probes.training.loop import Loop

SECONDS = 2.0  # between two looks; a place is written when it differs from the last: at most 9 MB a day


class Whereabouts:
    """Writes Place events."""

    def __init__(self, agent: Agent) -> None:
        self._agent = agent
        self._thread: Optional[int] = None
        self._next = 0.0
        self._told: Any = None

    def started(self) -> None:
        """Called by the thread that trains."""
        self._thread = _thread.get_ident()

    def look(self) -> None:
        now = perf_counter()
        if now < self._next or self._thread is None or self._agent.phase == "ended":
            return
        self._next = now + SECONDS
        found = _place_of(self._thread)
        if found is None or found == self._told:
            return
        self._told = found
        self._agent.emit(Place(time.time(), self._agent.step, callsite.place(*found)))


def _place_of(thread: int) -> Optional[tuple[Any, int]]:
    """Code and line of the innermost user frame of a thread; None where it is gone or in nobody's code."""
    frame = callsite.user_frame(sys._current_frames().get(thread))
    return None if frame is None else (frame.f_code, frame.f_lineno)


def install(agent: Agent, _loop: Loop) -> None:
    whereabouts = Whereabouts(agent)
    agent.guard("whereabouts", agent.started, whereabouts.started)
    agent.channel.add_source("whereabouts", whereabouts.look)
