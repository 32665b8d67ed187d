"""The thread that reads the runs for the browser: the newest first, a part at a time, then what has changed."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from dlmon.catalogue.catalogue import Catalogue
from dlmon.catalogue.rows import Row

PART_SECONDS = 0.25  # how long is read before what was read is shown
FIRST_ROWS = 60  # a screenful
RESCAN_SECONDS = 2.0  # how often the folder and the runs that go on are looked at again
REST = 20.0  # × the time of a look is left between two: 10,000 runs take 0.1 s to look through


@dataclass(frozen=True)
class Part:
    """rows: new or changed. gone: names of folders that are not there any more. expected: folders in all."""

    rows: tuple[Row, ...]
    gone: frozenset[str] = frozenset()
    expected: int = 0


class RowsReader:
    """Gives parts to `ready`, called on its thread. failed: with the error that ended it."""

    def __init__(self, runs: Path, ready: Callable[[Part], object], failed: Callable[[BaseException], object]) -> None:
        self._runs = runs
        # What was kept of 10,000 runs takes 0.3 s to load: the first screenful is read without it, on the thread.
        self._catalogue = Catalogue(runs, kept=False)
        self._ready, self._failed = ready, failed
        self._wake = threading.Event()
        self._stopped = False
        self._shown: dict[str, Row] = {}
        self._again: set[str] = set()
        self._lock = threading.Lock()
        # A daemon: the screen must be able to leave while a slow disk is being read.
        self._thread = threading.Thread(target=self._run, name="dlmon-rows", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def look_again(self, *names: str) -> None:
        """These runs were changed by a key."""
        with self._lock:
            self._again.update(names)
        self._wake.set()

    def stop(self) -> None:
        self._stopped = True
        self._wake.set()

    def _run(self) -> None:
        try:
            sized: set[str] = set()
            names = self._catalogue.names()
            self._read(names[:FIRST_ROWS], size=False, expected=len(names))
            self._catalogue = Catalogue(self._runs)
            while not self._stopped:
                started = time.monotonic()
                self._wake.clear()
                self._look()
                # Sizes last: they take a look at every file.
                self._read([name for name in self._shown if name not in sized], size=True)
                sized = {name for name, row in self._shown.items() if row.size is not None and not row.going}
                self._catalogue.save()
                self._wake.wait(max(RESCAN_SECONDS, REST * (time.monotonic() - started) if len(sized) else 0.0))
        except Exception as error:
            if not self._stopped:
                self._failed(error)

    def _look(self) -> None:
        """New folders, runs that go on, and what a key has changed."""
        names = self._catalogue.names()
        there = set(names)
        gone = frozenset(name for name in self._shown if name not in there)
        for name in gone:
            del self._shown[name]
        with self._lock:
            again, self._again = self._again, set()
        wanted = [name for name in names if name not in self._shown or name in again or self._shown[name].going]
        self._read(wanted, size=False, expected=len(names))
        if gone or wanted or not names:
            self._ready(Part((), gone, len(self._shown)))  # the other folders hold no runs

    def _read(self, names: list[str], *, size: bool, expected: int | None = None) -> None:
        part: list[Row] = []
        due = time.monotonic() + PART_SECONDS
        for name in names:
            if self._stopped:
                return
            row = self._catalogue.row(name, size=size)
            if row is not None and row != self._shown.get(name):
                self._shown[name] = row
                part.append(row)
            if part and time.monotonic() >= due:
                self._put(part, expected)
                part, due = [], time.monotonic() + PART_SECONDS
        if part:
            self._put(part, expected)

    def _put(self, part: list[Row], expected: int | None) -> None:
        if not self._stopped:
            self._ready(Part(tuple(part), expected=len(self._shown) if expected is None else expected))
