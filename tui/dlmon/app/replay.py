"""A run played again: the clock of a replay, and the source that shows where it stands."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from dlmon.app.source import FindingAt, Frame, OutputLines, Playback, lines_of

if TYPE_CHECKING:
    from dlmon.app.recording import Recording
    from dlmon.record.output import OutputTail

SLOWEST, FASTEST = 1 / 16, 4096.0
SHOWN_SECONDS = 60.0  # the first speed is chosen so that the run takes about this long
LOAD_SECONDS = 0.4  # reading on between two frames, while there is something left to read
SEEK_PART = 100  # ← and → move by this part of the run


class ReplaySource:
    """Polled on the feed's thread; what the keys ask is safe to call from the screen's.

    woken: called after each request, so that it is answered at once.
    """

    def __init__(self, folder: Path, clock: Callable[[], float] = time.monotonic) -> None:
        self._folder = folder
        self._clock = clock
        self._lock = threading.Lock()
        self.woken: Callable[[], object] = lambda: None
        self._recording: Recording | None = None
        self._output: OutputTail | None = None
        self._shown = OutputLines()
        self._loaded = 0.0
        self._position = 0.0
        self._speed = 1.0
        self._playing = True
        self._asked: float | None = None  # clock of the last poll
        self._drawn: tuple[float, float, bool, float] | None = None
        self._read_to = 0  # bytes of output.log
        self._held_step = (-1.0, 0)  # position, and the step that was asked for there

    # ---- the feed's side

    def poll(self) -> Frame | None:
        if self._recording is None:
            self._open()
        elif self._loaded < 1:
            self._load(self._recording)
        assert self._recording is not None
        with self._lock:
            self._move()
            drawn = (self._position, self._speed, self._playing, self._loaded)
            if drawn == self._drawn:
                return None
            self._drawn = drawn
            position, playback = self._position, self._playback()
        behind = self._loaded < 1
        return Frame(self._recording.seek(position), self._output_at(position), playback, behind)

    def _open(self) -> None:
        """What the head and the tail of the run say is shown before it is read."""
        from dlmon.app.recording import Recording

        recording = Recording(self._folder)
        with self._lock:
            self._recording = recording
            self._speed = first_speed(recording.length)
            self._asked = self._clock()

    def _load(self, recording: Recording) -> None:
        until = time.monotonic() + LOAD_SECONDS
        self._loaded = recording.load()
        while self._loaded < 1 and time.monotonic() < until:
            self._loaded = recording.load()

    def _move(self) -> None:
        """Let the time pass that went by since the last poll."""
        now = self._clock()
        passed = now - (self._asked if self._asked is not None else now)
        self._asked = now
        if self._playing:
            self._go(self._position + passed * self._speed)
            self._playing = self._position < self._length()

    def _length(self) -> float:
        return self._recording.length if self._recording is not None else 0.0

    def _go(self, second: float) -> None:
        self._position = min(self._length(), max(0.0, second))

    def _playback(self) -> Playback:
        found = self._recording.findings if self._recording is not None else []
        loading = None if self._loaded >= 1 else self._loaded
        return Playback(self._position, self._length(), self._speed, self._playing, loading, tuple(found))

    def _output_at(self, position: float) -> OutputLines:
        """The output as far as it had been printed; read again from its start after going back."""
        from dlmon.record.output import OutputTail

        assert self._recording is not None
        size = self._recording.output_size(position)
        if self._output is None or size < self._read_to:
            self._output = OutputTail(self._folder)
        self._read_to = size
        while self._output.poll(until=size):
            pass
        self._shown = lines_of(self._output, self._shown)
        return self._shown

    def close(self) -> None:
        pass

    # ---- the keys' side

    def toggle(self) -> None:
        with self._lock:
            if not self._playing and self._position >= self._length():
                self._position = 0.0
            self._playing = not self._playing
            self._asked = self._clock()
        self.woken()

    def change_speed(self, factor: float) -> None:
        with self._lock:
            self._speed = min(FASTEST, max(SLOWEST, self._speed * factor))
        self.woken()

    def seek_by(self, parts: int) -> None:
        """By hundredths of the run."""
        with self._lock:
            self._go(self._position + parts * self._length() / SEEK_PART)
        self.woken()

    def hold_at_step(self, step: int) -> None:
        """Stop playing, at the moment that `step` steps were done."""
        if self._recording is None:
            return
        second = self._recording.second_of_step(max(0, step - 1))
        if second is not None:
            self._hold(second)
            self._held_step = (self._position, step)

    def step_by(self, steps: int, shown: int) -> None:
        """Hold some steps from here; shown: the step that the screen shows, which may be a key press behind."""
        position, step = self._held_step
        self.hold_at_step(max(1, (step if position == self._position else shown) + steps))

    def _hold(self, second: float) -> None:
        with self._lock:
            self._playing = False
            self._go(second)
        self.woken()

    def to_finding(self, direction: int) -> FindingAt | None:
        """Hold where the next (1) or the previous (-1) finding was raised; it, or None where there is none."""
        if self._recording is None:
            return None
        found = self._recording.findings
        margin = 1e-6
        if direction > 0:
            ahead = next((one for one in found if one.second > self._position + margin), None)
        else:
            ahead = next((one for one in reversed(found) if one.second < self._position - margin), None)
        if ahead is not None:
            self._hold(ahead.second)
        return ahead


def first_speed(length: float) -> float:
    """A power of two at which the run takes at most about a minute."""
    speed = 1.0
    while length / speed > SHOWN_SECONDS and speed < FASTEST:
        speed *= 2
    return speed
