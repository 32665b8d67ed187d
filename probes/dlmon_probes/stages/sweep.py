"""lr: the learning rate swept exponentially from step to step, on the script's own batches."""

from __future__ import annotations

import math
from typing import Any

from dlmon_probes.stages import loaders, rates
from dlmon_probes.stages.data import batches
from dlmon_probes.stages.learning import MOST_MICRO
from dlmon_probes.stages.loaders import NONE, Pass
from dlmon_probes.stages.stage import Stage
from dlmon_probes.training.rows import number_of

MOST_KEPT = 32  # batches to go round with when the loader is shorter than the sweep
DIVERGED = 4.0  # × the smallest loss so far: the rest of the sweep tells nothing (Smith 2017 stops likewise)
SURE = 3  # steps in a row


class Sweep(Stage):
    def install(self) -> None:
        super().install()
        loaders.lengthen(self.plan.steps * MOST_MICRO)
        self._kept: list[Any] = []
        self._turn = 0
        self._told = False
        self._best = math.inf
        self._bad = 0
        self._values: list[Any] = []
        plan = self.plan
        self.change(f"learning rate swept from {plan.lr_low:g} to {plan.lr_high:g} in {plan.steps} steps")
        sweep = rates.Rates(self._rate, lambda: self.agent.step, decay=True, note=self.change, sweeps=True)
        rates.install(sweep, self.failed, lambda: self.agent.training)

    def _rate(self, _base: float, steps: int) -> float:
        low, high = self.plan.lr_low, self.plan.lr_high
        return float(low * (high / low) ** (steps / max(self.plan.steps - 1, 1)))

    def seen(self, current: Pass, batch: Any, grad: bool) -> None:
        if grad and len(self._kept) < MOST_KEPT and not current.loader.evaluated:
            try:
                self._kept.append(batches.freeze(batch))
            except batches.NotCacheable as reason:
                if not self._told:
                    self._told = True
                    self.change(f"batches cannot be kept to go round with: {reason}")

    def exhausted(self, current: Pass) -> Any:
        """Round and round: the sweep needs its number of steps."""
        if not current.loader.trained or not self._kept or not current.backwards:
            return NONE
        self._turn += 1
        return self._kept[self._turn % len(self._kept)].copy()

    def on_backward(self, _loss: Any, series: int) -> None:
        self._values.append(self.loop.row.losses[series][-1])

    def on_step(self, steps: int) -> None:
        values = [value for value in map(number_of, self._values) if value is not None]
        self._values.clear()
        if values:
            self._look_at(sum(values) / len(values))
        super().on_step(steps)

    def _look_at(self, value: float) -> None:
        self._best = min(self._best, value)
        diverged = not math.isfinite(value) or (self._best > 0 and value > DIVERGED * self._best)
        self._bad = self._bad + 1 if diverged else 0
        if self._bad >= SURE:
            self.ending.end("certain", "the loss has left for good")
