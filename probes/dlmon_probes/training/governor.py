"""Decides which steps are sampled, so that what the probes cost stays within a share of the training's own time.

A token bucket: each step earns `budget` × its duration and pays for what every step costs; what is left over buys
samples, and a quarter of the budget always does: a run whose steps are so short that the hooks alone use the budget
up is still looked at now and then. A few early steps and steps with an anomaly are sampled without asking; what the
early ones cost is start-up cost, it is told but not paid back.
"""

from __future__ import annotations

import time

from dlmon_probes import events

ALWAYS_FIRST = 3  # steps 0, 1, 2
EARLY = frozenset({0, 1, 2, 5, 10, 20, 40, 80, 160, 320})  # sampled without asking: short runs have faults, too
ANOMALIES = (
    16  # steps with an anomaly (NaN, another mode) that are sampled without asking, in a run; later ones must be earned
)
RESERVED = 0.25  # share of the budget that is kept for samples
SAMPLES_PER_SECOND = 2.0  # a screen draws at 4 Hz at most: more samples than this are seen by nobody


class Governor:
    """Counts costs (seconds) and says whether the next step may be sampled.

    budget: share of the training's own time, 0 < budget ≤ 1.
    """

    def __init__(self, budget: float) -> None:
        self.budget = budget
        self.steps = 0
        self.step_seconds = 0.0
        self.spent = 0.0  # after the first steps
        self.startup = 0.0
        self.sample_cost = 0.0  # what a sampled step costs, an average that follows
        self.every = 1
        self.sampled: dict[str, int] = {}
        self.skipped: dict[str, int] = {}
        self.seconds: dict[str, float] = {}
        self._tokens = 0.0
        self._since = 0
        self._step_cost = 0.0  # of samples in the running step
        self.always_cost = 0.0  # of everything else in it; the loop adds to it without a call
        self._sampling = True
        self._last_sample = 0.0
        self._anomalies = 0

    def pay(self, seconds: float) -> None:
        """Cost of what is done at every step."""
        self.always_cost += seconds

    def pay_for(self, instrument: str, seconds: float) -> None:
        """Cost of a sampled instrument's run. `sampled` counts it."""
        self._step_cost += seconds
        self.seconds[instrument] = self.seconds.get(instrument, 0.0) + seconds
        self.sampled[instrument] = self.sampled.get(instrument, 0) + 1

    def pay_more(self, instrument: str, seconds: float) -> None:
        """A further part of a sampled instrument's run."""
        self._step_cost += seconds
        self.seconds[instrument] = self.seconds.get(instrument, 0.0) + seconds

    def skip(self, instrument: str) -> None:
        """An instrument was due in a sampled step and left out."""
        self.skipped[instrument] = self.skipped.get(instrument, 0) + 1

    def affords(self, instrument: str) -> bool:
        """Whether one more run of an instrument fits, judged by what it cost before (true when not known)."""
        count = self.sampled.get(instrument, 0)
        if not count or self.steps < ALWAYS_FIRST:
            return True
        return self._tokens - self._step_cost >= self.seconds[instrument] / count

    def next_step(self, now: float, dt: float) -> bool:
        """A step of `dt` seconds (probes included) ended at `now` (perf_counter). True: sample the one that begins."""
        sample, self._step_cost = self._step_cost, 0.0
        always, self.always_cost = self.always_cost, 0.0
        cost = sample + always
        early = self.steps in EARLY
        self.steps += 1
        if self.steps <= ALWAYS_FIRST:
            self.startup += cost
        else:
            own = max(dt - cost, 0.0)
            self.step_seconds += own
            if early:
                self.startup += sample
                sample = 0.0
            self.spent += always + sample
            earned = self.budget * own
            self._tokens = min(self._tokens + max(earned - always, earned * RESERVED) - sample, self.budget * 30.0)
        if self._sampling:
            self.sample_cost = cost if not self.sample_cost else 0.7 * self.sample_cost + 0.3 * cost
        self._since += 1
        self._sampling = self.steps in EARLY or (
            self._tokens >= self.sample_cost and now - self._last_sample >= 1 / SAMPLES_PER_SECOND
        )
        if self._sampling:
            self.every, self._since = self._since, 0
            self._last_sample = now
        return self._sampling

    def anomaly(self) -> bool:
        """An anomaly showed in the running step: true if it is to be sampled whatever it costs."""
        self._anomalies += 1
        return self._anomalies <= ANOMALIES

    @property
    def overhead(self) -> float:
        """Share of the training's own time that the probes took, start-up left out."""
        return self.spent / self.step_seconds if self.step_seconds else 0.0

    def event(self, step: int) -> events.Governor:
        return events.Governor(
            t=time.time(), step=step, budget=self.budget, overhead=self.overhead, every=max(self.every, self._since),
            steps=self.steps, step_seconds=self.step_seconds, sampled=dict(self.sampled), skipped=dict(self.skipped),
            seconds={name: round(value, 6) for name, value in {**self.seconds, "start-up": self.startup}.items()},
        )  # fmt: skip
