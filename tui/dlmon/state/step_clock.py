"""How many steps were done at a given time: progress bars and steps are reported at different moments."""

from __future__ import annotations

from bisect import bisect_right

BLOCKS = 512  # blocks of steps looked back on: about two minutes of a live run


class StepClock:
    """Fold of the times of `steps` blocks."""

    def __init__(self) -> None:
        self._starts: list[float] = []  # unix seconds at which the first step of each block was done
        self._blocks: list[tuple[int, float, int]] = []  # steps done then, end of the last step, steps done then
        self.end: float | None = None  # unix seconds up to which steps are known

    def block(self, first: int, start: float, end: float, size: int) -> None:
        """A block of `size` steps, the first of which was done at `start` and the last at `end`."""
        if self.end is not None and start < self.end:
            return  # a clock that was set back
        self._starts.append(start)
        self._blocks.append((first + 1, end, first + size))
        self.end = end
        if len(self._starts) > 2 * BLOCKS:
            del self._starts[:BLOCKS], self._blocks[:BLOCKS]

    def steps_at(self, t: float) -> float | None:
        """Steps done at a time; None where it is later than what was reported."""
        if self.end is None or t > self.end:
            return None
        place = bisect_right(self._starts, t) - 1
        if place < 0:
            return float(self._blocks[0][0] - 1)
        done, end, last = self._blocks[place]
        start = self._starts[place]
        if t >= end or end <= start:
            return float(last)
        return done + (last - done) * (t - start) / (end - start)
