"""All logs of a run as one stream of events: for live, attach, replay and report alike."""

from __future__ import annotations

import heapq
import time
from collections import deque
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dlmon.record import layout
from dlmon.record.codec import Decoder
from dlmon.record.tail import Tail

RESCAN_SECONDS = 0.2  # how often the folder is looked through for the logs of new processes
BLOCK = 1 << 18
SMALLEST_BLOCK = 1 << 14  # 1,024 ranks decode ahead 16 MiB at most


@dataclass(frozen=True)
class Tagged:
    """An event and where it comes from. source: file name. rank: -1 for the supervisor."""

    source: str
    rank: int
    event: Any


@dataclass(frozen=True)
class Batch:
    """What one read gave. more: there may be more at once."""

    events: list[Tagged]
    more: bool


class _Source:
    """One log with the events that were decoded ahead of their turn."""

    def __init__(self, folder: Path, name: str, index: int) -> None:
        self.name = name
        self.index = index
        rank = layout.rank_of(name)
        self.rank = layout.SUPERVISOR_RANK if rank is None else rank
        self.tail = Tail(folder / name)
        self.ahead: deque[Any] = deque()
        self.clock = 0.0

    def fill(self, decoder: Decoder, block: int) -> bool:
        """Decode the next block if nothing is ahead; true if something is now."""
        while not self.ahead:
            lines = self.tail.read(block)
            if not lines:
                return False
            decode = decoder.decode
            self.ahead.extend(event for line in lines if (event := decode(line)) is not None)
        return True

    def key(self) -> tuple[float, int]:
        # A process may write two events in another order than it timed them; they stay in the order of the file.
        self.clock = max(self.clock, self.ahead[0].t)
        return self.clock, self.index


class RunReader:
    """Reads a run folder from its beginning, then whatever is written later. Never raises for what it finds there.

    Events come merged by their time `t` as far as they are on disk. A corrupt line is counted and skipped.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = Path(folder)
        self._decoder = Decoder()
        self._sources: dict[str, _Source] = {}
        self._scanned: float | None = None
        self._heap: list[tuple[tuple[float, int], _Source]] = []  # sources with something ahead
        self._idle: list[_Source] = []  # the others

    @property
    def corrupt_lines(self) -> int:
        return self._decoder.corrupt + sum(source.tail.skipped for source in self._sources.values())

    def read(self, limit: int = 2000, seconds: float = 0.05) -> Batch:
        """The next events: at most `limit`, for about `seconds`."""
        deadline = time.monotonic() + seconds
        self._scan()
        self._wake()
        events: list[Tagged] = []
        while self._heap and len(events) < limit:
            self._take(events, limit)
            if time.monotonic() > deadline:
                break
        return Batch(events, bool(self._heap))

    def _take(self, events: list[Tagged], limit: int) -> None:
        """Move events of the earliest source as long as it stays the earliest, so that blocks pass without the heap."""
        _, source = heapq.heappop(self._heap)
        turn = self._heap[0][0] if self._heap else (float("inf"), 0)
        name, rank, ahead = source.name, source.rank, source.ahead
        room = min(limit - len(events), 64)
        while ahead and room and source.key() <= turn:
            events.append(Tagged(name, rank, ahead.popleft()))
            room -= 1
        self._enqueue(source)

    def _enqueue(self, source: _Source) -> None:
        if source.fill(self._decoder, self._block()):
            heapq.heappush(self._heap, (source.key(), source))
        else:
            self._idle.append(source)

    def _block(self) -> int:
        return max(SMALLEST_BLOCK, BLOCK * 4 // max(4, len(self._sources)))

    def _wake(self) -> None:
        idle, self._idle = self._idle, []
        for source in idle:
            self._enqueue(source)

    def _scan(self) -> None:
        now = time.monotonic()
        if self._scanned is not None and now - self._scanned < RESCAN_SECONDS and self._heap:
            return
        self._scanned = now
        for name in layout.log_files(self.folder):
            if name not in self._sources:
                self._sources[name] = source = _Source(self.folder, name, len(self._sources))
                self._idle.append(source)
