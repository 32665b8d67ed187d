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
        self._taken = False  # the last block was
        self._continues = False  # the next block is the rest of the last one

    def block(self, first: int, start: float, end: float, size: int) -> None:
        """A block of `size` steps, the first of which was done at `start` and the last at `end`."""
        continues, self._continues = self._continues, False
        if continues:
            if self._taken:
                self._blocks[-1] = (self._blocks[-1][0], end, first + size)
                self.end = end
            return
        self._taken = self.end is None or start >= self.end
        if not self._taken:
            return  # a clock that was set back
        self._starts.append(start)
        self._blocks.append((first + 1, end, first + size))
        self.end = end
        if len(self._starts) > 2 * BLOCKS:
            del self._starts[:BLOCKS], self._blocks[:BLOCKS]

    def continue_last(self) -> None:
        """The next block is the rest of the last one: a replay folds what was done of a block at some moment."""
        self._continues = True

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
