"""Smoke: a few batches of everything, then the script's own end.

Training loaders give two batches (as many as two optimizer steps take), evaluation loaders one. Later passes give
what one step takes, so that 200 epochs are over soon; where they are not, the stage ends them.
"""

from __future__ import annotations

import time
from typing import Optional

from dlmon_probes.stages.loaders import Pass
from dlmon_probes.stages.stage import Stage

STEPS = 2  # to see gradients cleared between steps and weights moved
MOST_BATCHES = 256  # that the first steps may take: the largest usual accumulation is 64
MOST_STEPS = 200  # of a loop over steps, which has no pass to end


class Smoke(Stage):
    _enough_at: Optional[float] = None  # perf_counter: all that must be seen was seen
    _endless = False  # a loop over steps: its loader is longer than the stage

    def limit(self, current: Pass, grad: bool) -> Optional[int]:
        limit = super().limit(current, grad)
        if limit is not None:
            return limit
        steps = self.agent.step
        wanted = self.plan.train_batches if current.number == 1 else 1
        if steps >= STEPS and steps > current.began_at and current.given >= wanted:
            return current.given
        return MOST_BATCHES

    def uncut(self, current: Pass) -> None:
        if current.loader.trained:
            self._endless = True

    def on_pull(self) -> None:
        self._end_in_time()

    def on_step(self, steps: int) -> None:
        super().on_step(steps)
        if steps >= STEPS and self._enough_at is None:
            self._enough_at = time.perf_counter()
            if self.loaders.pulls == 0:
                self._endless = True
        if self._endless and steps >= MOST_STEPS:
            self.ending.end("steps", f"{steps} steps of a loop over steps")
        self._end_in_time()

    def _end_in_time(self) -> None:
        """The script had its time to come to its own end."""
        if self._enough_at is None:
            return
        allowed = self.plan.finish_seconds / (2 if self._endless else 1)
        if time.perf_counter() - self._enough_at > allowed:
            self.ending.end("time", f"{allowed:g} s after the first steps")


class Repeat(Smoke):
    """The first steps once more, to compare their losses."""
