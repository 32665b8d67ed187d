"""Progress bars as facts: polled from the writing thread four times a second, so that the loop pays nothing."""

from __future__ import annotations

import io
import os
import stat
import time
from dataclasses import replace
from typing import Any, Callable, Optional

from dlmon_probes import events
from dlmon_probes.training.agent import Agent

MOST_OPEN = 128
MOST_BEFORE_TRAINING = 64  # bars that closed before the process was known to train


class BarBook:
    """Numbers bars and writes their states: when they change, and when they close.

    A source is a function that gives (key, state without number and time) of each open bar; keys are hashable and
    unique among open bars.
    """

    def __init__(self, agent: Agent) -> None:
        self._agent = agent
        self._sources: list[Callable[[], list[tuple[Any, events.Bar]]]] = []
        self._numbers: dict[Any, int] = {}
        self._told: dict[Any, events.Bar] = {}
        self._short: dict[tuple[int, str], tuple[Any, events.Bar]] = {}  # closed before anybody saw them open
        self._next = 0
        self._early = 0

    def add_source(self, source: Callable[[], list[tuple[Any, events.Bar]]]) -> None:
        self._sources.append(source)

    def poll(self) -> None:
        """Write what changed. Called by the writing thread."""
        short, self._short = self._short, {}
        for key, state in short.values():
            self._write(key, replace(state, closed=True))
            self._forget(key)
        for source in self._sources:
            for key, state in source()[:MOST_OPEN]:
                if self._told.get(key) != replace(state, rate=None, elapsed=None):
                    self._write(key, state)

    def closed(self, key: Any, state: events.Bar) -> None:
        """A bar is done. Bars that come and go between two polls are told once for each place on the screen."""
        if not self._agent.training:
            self._early += 1
            if self._early > MOST_BEFORE_TRAINING:
                return
        if key in self._told:
            self._write(key, replace(state, closed=True))
            self._forget(key)
        else:
            self._short[(state.position, state.desc)] = (key, state)

    def _write(self, key: Any, state: events.Bar) -> None:
        if key not in self._numbers:
            self._numbers[key], self._next = self._next, self._next + 1
        self._told[key] = replace(state, rate=None, elapsed=None)
        self._agent.emit(replace(state, t=time.time(), bar=self._numbers[key]))

    def _forget(self, key: Any) -> None:
        self._numbers.pop(key, None)
        self._told.pop(key, None)


def terminal_descriptor(stream: Any) -> Optional[int]:
    """The descriptor of a text stream that ends at the terminal, or at a pipe in its place; None for others.

    Streams of other classes (a tee of the user's, a notebook's) are not ours to judge.
    """
    if type(stream) is not io.TextIOWrapper:
        return None
    try:
        descriptor = stream.fileno()
        if os.isatty(descriptor):
            return descriptor
        piped = descriptor in (1, 2) and not stat.S_ISREG(os.fstat(descriptor).st_mode)
        return descriptor if piped else None
    except (OSError, ValueError):
        return None
