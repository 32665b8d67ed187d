"""What happened when in a run, gathered while its logs are read once: where to look again for a step or a moment."""

from __future__ import annotations

from array import array
from bisect import bisect_right
from pathlib import Path
from typing import Any

from dlmon.record.codec import Decoder
from dlmon.record.reader import Tagged
from dlmon.record.tail import last_line, line_at
from dlmon_probes.events import Crash, Hello, Output, Steps

FARTHEST_STEP = 1 << 62  # a log is untrusted


class Timeline:
    """Fold of a run's events in their order. A run of 10 M steps takes 5 MB here: steps are looked up in the log.

    clock: unix seconds of the latest event; origin: of the first; both None before there is one. crash: of the first
    crash. leader: the log of the lowest rank that made steps.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.origin: float | None = None
        self.clock: float | None = None
        self.crash: float | None = None
        self.leader: str | None = None
        self._leader_rank = 0
        self._hellos: dict[str, float] = {}  # what a log's `at` counts from
        self._first = array("q")  # first step of each of the leader's blocks
        self._offset = array("q")  # and where in the log it is
        self._output_time = array("d")
        self._output_size = array("q")
        self._decoder = Decoder()
        self._notes = {Hello: self._hello, Output: self._output, Crash: self._crash, Steps: self._steps}

    def note(self, tagged: Tagged) -> None:
        """The next event."""
        t = tagged.event.t
        if self.clock is None or self.origin is None:
            self.origin = self.clock = t
        elif t > self.clock:
            self.clock = t
        note = self._notes.get(type(tagged.event))
        if note is not None:
            note(tagged)

    @property
    def length(self) -> float:
        """Seconds from the first event to the latest."""
        return 0.0 if self.clock is None or self.origin is None else self.clock - self.origin

    def _hello(self, tagged: Tagged) -> None:
        self._hellos.setdefault(tagged.source, tagged.event.t)

    def _output(self, tagged: Tagged) -> None:
        if 0 <= tagged.event.offset < FARTHEST_STEP:
            self._output_time.append(self.clock or 0.0)
            self._output_size.append(tagged.event.offset)

    def _crash(self, tagged: Tagged) -> None:
        if self.crash is None:
            self.crash = tagged.event.t

    def _steps(self, tagged: Tagged) -> None:
        event = tagged.event
        if not event.at or not 0 <= event.first < FARTHEST_STEP:
            return
        if self.leader is None or tagged.rank < self._leader_rank:
            self._leader_rank, self.leader = tagged.rank, tagged.source
            self._first, self._offset = array("q"), array("q")
        if self.leader == tagged.source:
            self._offset.append(tagged.offset)
            self._first.append(event.first)

    # ---- looking up

    def row_time(self, source: str, event: Steps, row: int) -> float:
        """Unix seconds at which a row of a block was done."""
        return self._began(source, event) + float(event.at[row])

    def rows_by(self, source: str, event: Steps, moment: float) -> int:
        """How many rows of a block were done by then."""
        return bisect_right(event.at, moment - self._began(source, event) + 1e-6)

    def _began(self, source: str, event: Steps) -> float:
        hello = self._hellos.get(source)
        return event.t - event.at[-1] if hello is None else hello

    def time_of_step(self, step: int) -> float | None:
        """Unix seconds at which that step was done, or the nearest there is. None without any steps."""
        if self.leader is None or not self._first:
            return None
        at = max(0, bisect_right(self._first, step) - 1)
        line = line_at(self.folder / self.leader, self._offset[at])
        event: Any = self._decoder.decode(line)
        if not isinstance(event, Steps) or not event.at:
            return None  # the log was changed since it was read
        return self.row_time(self.leader, event, min(max(0, step - event.first), len(event.at) - 1))

    def output_size(self, moment: float) -> int:
        """How long output.log was then, in bytes."""
        at = bisect_right(self._output_time, moment) - 1
        return self._output_size[at] if at >= 0 else 0


def last_time(folder: Path, ends: dict[str, int]) -> float | None:
    """Unix seconds of the latest of the logs' last lines, without reading what is before them. None without any."""
    decoder = Decoder()
    lines = (last_line(folder / name, end) for name, end in ends.items())
    found = (decoder.decode(line) for line in lines)
    return max((event.t for event in found if event is not None), default=None)
