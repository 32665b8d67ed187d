"""What the supervisor writes: its events to host.jsonl, the training's output to output.log.

A disk that is full stops the recording, never the training: what cannot be written is dropped, counted and said once.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from pathlib import Path
from typing import Any

from dlmon.record import layout
from dlmon.record.codec import encode_event
from dlmon_probes.events import Output

OFFSET_SECONDS = 0.25


def _append_to(path: Path) -> int:
    return os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)


class _Sink:
    """An append-only file that never raises."""

    def __init__(self, path: Path) -> None:
        self.fd = _append_to(path)
        self.name = path.name
        self.dropped = 0

    def write(self, data: bytes) -> int:
        """Append; how many bytes were written."""
        view = memoryview(data)
        try:
            while view:
                view = view[os.write(self.fd, view) :]
        except OSError as error:
            if not self.dropped:
                note(f"{self.name} cannot be written any more ({error}); the training goes on")
            self.dropped += len(view)
        return len(data) - len(view)


class EventLog:
    """host.jsonl. Each event is one write, so nothing waits in memory. Safe from several threads."""

    def __init__(self, folder: Path) -> None:
        path = folder / layout.HOST
        torn = _torn(path)
        self._sink = _Sink(path)
        self._lock = threading.Lock()
        if torn:  # a supervisor was killed in the middle of a line, and this one takes over
            self._sink.write(b"\n")

    def write(self, event: Any) -> None:
        data = encode_event(event)
        with self._lock:
            self._sink.write(data)


class OutputLog:
    """output.log: the raw bytes of the pseudo-terminal, and now and then an `output` event with its length."""

    def __init__(self, folder: Path, events: EventLog) -> None:
        self._sink = _Sink(folder / layout.OUTPUT)
        self._events = events
        self.offset = os.fstat(self._sink.fd).st_size
        self._told = self.offset
        self._due = 0.0

    def write(self, data: bytes) -> None:
        self.offset += self._sink.write(data)

    def due(self) -> float | None:
        """When the next event is to be written (monotonic seconds), None when there is nothing new to tell."""
        return self._due if self.offset != self._told else None

    def tell(self, now: float, *, at_once: bool = False) -> None:
        if self.offset == self._told or (now < self._due and not at_once):
            return
        self._events.write(Output(time.time(), self.offset))
        self._told = self.offset
        self._due = now + OFFSET_SECONDS


def _torn(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            file.seek(-1, os.SEEK_END)
            return file.read(1) != b"\n"
    except OSError:
        return False


def note(text: str) -> None:
    """A line for supervisor.log, which is the supervisor's stderr."""
    try:
        sys.stderr.write(time.strftime("%Y-%m-%d %H:%M:%S ") + text + "\n")
        sys.stderr.flush()
    except (OSError, ValueError):
        return
