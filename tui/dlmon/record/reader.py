"""All logs of a run as one stream of events: for live, attach, replay and report alike."""

from __future__ import annotations

import heapq
import math
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from dlmon.record import layout
from dlmon.record.codec import Decoder
from dlmon.record.tail import Tail

RESCAN_SECONDS = 0.2  # how often the folder is looked through for the logs of new processes
BLOCK = 1 << 18
SMALLEST_BLOCK = 1 << 14  # 1,024 ranks decode ahead 16 MiB at most


class Tagged(NamedTuple):
    """An event and where it comes from. source: file name. rank: -1 for the supervisor. offset: of its line, in bytes.

    A NamedTuple: a run has a million of them, and a frozen dataclass takes three times as long to make.
    """

    source: str
    rank: int
    event: Any
    offset: int = -1


@dataclass(frozen=True)
class Batch:
    """What one read gave. more: there may be more at once."""

    events: list[Tagged]
    more: bool


class Place(NamedTuple):
    """Where reading stands in one log. offset: of the next line, in bytes. clock: the latest time given out of it."""

    offset: int
    clock: float


_START = Place(0, 0.0)


class _Source:
    """One log with the events that were decoded ahead of their turn."""

    def __init__(self, folder: Path, name: str, index: int, place: Place, end: int | None) -> None:
        self.name = name
        self.index = index
        rank = layout.rank_of(name)
        self.rank = layout.SUPERVISOR_RANK if rank is None else rank
        self.tail = Tail(folder / name, place.offset, end)
        self.ahead: deque[Tagged] = deque()
        self.clock = place.clock

    def fill(self, decoder: Decoder, block: int) -> bool:
        """Decode the next block if nothing is ahead; true if something is now."""
        while not self.ahead:
            lines = self.tail.read(block)
            if not lines:
                return False
            decode, put, name, rank, offset = decoder.decode, self.ahead.append, self.name, self.rank, self.tail.start
            for line in lines:
                event = decode(line)
                if event is not None:
                    put(Tagged(name, rank, event, offset))
                offset += len(line) + 1
        return True

    def key(self) -> tuple[float, int]:
        # A process may write two events in another order than it timed them; they stay in the order of the file.
        return max(self.clock, self.ahead[0].event.t), self.index

    @property
    def place(self) -> Place:
        return Place(self.ahead[0].offset if self.ahead else self.tail.offset, self.clock)


class RunReader:
    """Reads a run folder from its beginning, then whatever is written later. Never raises for what it finds there.

    Events come merged by their time `t` as far as they are on disk. A corrupt line is counted and skipped.

    ends: read these logs only, each as far as this many bytes, so that the order of the events is the same each time
    (`sizes` gives them). places: where to begin, from `places` of another reader of the same logs.
    """

    def __init__(
        self, folder: Path, *, ends: Mapping[str, int] | None = None, places: Mapping[str, Place] | None = None
    ) -> None:
        self.folder = Path(folder)
        self._ends = None if ends is None else dict(ends)
        self._begin = dict(places or {})
        self._decoder = Decoder()
        self._sources: dict[str, _Source] = {}
        self._scanned: float | None = None
        self._heap: list[tuple[tuple[float, int], _Source]] = []  # sources with something ahead
        self._idle: list[_Source] = []  # the others

    @property
    def corrupt_lines(self) -> int:
        return self._decoder.corrupt + sum(source.tail.skipped for source in self._sources.values())

    def places(self) -> dict[str, Place]:
        """Where the next event of each log is."""
        return {name: source.place for name, source in self._sources.items()}

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
        turn, turn_index = self._heap[0][0] if self._heap else (math.inf, 0)
        ahead, clock = source.ahead, source.clock
        latest = turn if source.index < turn_index else math.nextafter(turn, -math.inf)
        for _ in range(min(limit - len(events), len(ahead), 64)):
            t = ahead[0].event.t
            if t > clock:
                if t > latest:
                    break
                clock = t
            events.append(ahead.popleft())
        source.clock = clock
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
        if self._ends is not None and self._sources:
            return
        for name in layout.log_files(self.folder) if self._ends is None else self._ends:
            if name not in self._sources:
                place = self._begin.get(name, _START)
                end = None if self._ends is None else self._ends[name]
                self._sources[name] = source = _Source(self.folder, name, len(self._sources), place, end)
                self._idle.append(source)


def sizes(folder: Path) -> dict[str, int]:
    """The logs of a run as they are now, in the order in which they are read, with their sizes in bytes."""
    found: dict[str, int] = {}
    for name in layout.log_files(folder):
        try:
            found[name] = (folder / name).stat().st_size
        except OSError:
            continue
    return found
