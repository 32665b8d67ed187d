"""What a script's own progress bars say of how far it is."""

from __future__ import annotations

import re
from collections import deque
from dataclasses import dataclass, field

from dlmon.state.step_clock import StepClock
from dlmon_probes import events

_EPOCH = re.compile(r"\bepochs?\b\W{0,3}(\d{1,7})(?:\s*(?:/|of)\s*(\d{1,7}))?", re.IGNORECASE)
_EPOCH_WORD = re.compile(r"\bepochs?\b|\bep\b", re.IGNORECASE)
_NUMBER = re.compile(r"\d+")

SURE_TICKS = 20  # ticks after which steps per tick are remembered for the next bar of the same kind
FEW_TICKS = 2
NEAR = 0.3  # steps per tick are k or 1/k: displays lag behind by some steps, which this makes up for
SAME_TOTAL = 0.01  # × the total: estimates this close are one and the same
MOST_KINDS = 64

Kind = tuple[int, float | None, str]


@dataclass(frozen=True)
class Progress:
    """total_steps None and epoch "" where the script gives no sign of them."""

    total_steps: int | None = None
    epoch: str = ""


@dataclass
class _Seen:
    """A bar and how many steps the training took while it moved. waiting: (time, n) whose steps are not known yet."""

    bar: events.Bar
    waiting: deque[tuple[float, float]] = field(default_factory=lambda: deque(maxlen=16))
    first: tuple[float, float] | None = None  # (n, steps) at the first and at the last known moment
    last: tuple[float, float] | None = None
    remembered: float | None = None

    def look(self, event: events.Bar, clock: StepClock) -> None:
        self.bar = event
        self.waiting.append((event.t, event.n))
        self.resolve(clock)

    def resolve(self, clock: StepClock) -> None:
        while self.waiting and (steps := clock.steps_at(self.waiting[0][0])) is not None:
            n = self.waiting.popleft()[1]
            self.last = (n, steps)
            self.first = self.first or self.last

    @property
    def ticks(self) -> float:
        return self.last[0] - self.first[0] if self.first and self.last else 0.0

    @property
    def steps_per_tick(self) -> float | None:
        if self.remembered is not None and self.ticks < SURE_TICKS:
            return self.remembered
        if not (self.first and self.last) or self.ticks <= 0:
            return None
        rate = (self.last[1] - self.first[1]) / self.ticks
        return _snapped(rate) if self.ticks >= FEW_TICKS else rate

    @property
    def trains(self) -> bool:
        return bool(self.steps_per_tick)

    @property
    def kind(self) -> Kind:
        """What the bars of all epochs have in common."""
        return self.bar.position, self.bar.total, _NUMBER.sub("", self.bar.desc)


def _snapped(rate: float) -> float:
    if rate <= 0:
        return 0.0
    if rate >= 1 - NEAR / 2:
        near = float(max(1, round(rate)))
        return near if abs(rate - near) <= NEAR else rate
    parts = 1 / rate
    return 1 / round(parts) if abs(parts - round(parts)) <= NEAR else rate


class BarProgress:
    """Fold of the leading process's `bar` events."""

    def __init__(self, clock: StepClock) -> None:
        self._clock = clock
        self._seen: dict[int, _Seen] = {}
        self._rates: dict[Kind, float] = {}
        self._epoch = ""
        self._total: int | None = None

    def bar(self, event: events.Bar) -> None:
        seen = self._seen.get(event.bar)
        if seen is None or event.n < seen.bar.n:
            seen = self._seen[event.bar] = _Seen(event)
            seen.remembered = self._rates.get(seen.kind)
        seen.look(event, self._clock)
        self._remember(seen)
        if event.closed:
            del self._seen[event.bar]

    def _remember(self, seen: _Seen) -> None:
        rate = seen.steps_per_tick
        if (
            rate is not None
            and seen.ticks >= SURE_TICKS
            and (seen.kind in self._rates or len(self._rates) < MOST_KINDS)
        ):
            self._rates[seen.kind] = rate

    def progress(self, step: int) -> Progress:
        """step: completed steps now."""
        bars = sorted(self._seen.values(), key=lambda seen: (seen.bar.position, seen.bar.bar))
        for seen in bars:
            seen.resolve(self._clock)
        training = [seen for seen in bars if seen.trains]
        inner = training[-1] if training else None
        outer = _outer(bars, inner)
        self._epoch = _epoch_text(bars, outer) or self._epoch
        if inner is not None and inner.first is not None:
            self._estimate(_total(outer, inner, step))
        elif self._total is not None and self._total < step:
            self._total = None  # until a bar moves the last estimate stands, as long as it can be true
        return Progress(None if self._total is None else max(step, self._total), self._epoch)

    def _estimate(self, total: int | None) -> None:
        """Take over a total, unless it is the one shown but for what displays lag behind."""
        shown = self._total
        if total is None or shown is None or abs(total - shown) > SAME_TOTAL * shown:
            self._total = total


def _outer(bars: list[_Seen], inner: _Seen | None) -> _Seen | None:
    """The bar around the training bar: it may not have moved yet, as in the first epoch."""
    for seen in bars:
        if seen is inner or seen.bar.total is None:
            return None
        if inner is not None and (seen.trains or seen.ticks == 0) and _is_around(seen, inner):
            return seen
    return None


def _is_around(seen: _Seen, inner: _Seen) -> bool:
    return (seen.bar.position, seen.bar.bar) < (inner.bar.position, inner.bar.bar)


def _epoch_text(bars: list[_Seen], outer: _Seen | None) -> str:
    for seen in bars:
        match = _EPOCH.search(seen.bar.desc)
        if match:
            return match[1] if match[2] is None else f"{match[1]}/{match[2]}"
    counting = next((seen for seen in bars if _counts_epochs(seen.bar)), None)
    if counting is None and outer is not None and not outer.bar.desc:
        counting = outer
    if counting is None:
        return ""
    total, current = counting.bar.total, int(counting.bar.n) + 1
    return f"{current}" if total is None else f"{min(current, int(total))}/{int(total)}"


def _counts_epochs(bar: events.Bar) -> bool:
    return bool(_EPOCH_WORD.search(bar.desc) or _EPOCH_WORD.search(bar.unit))


def _total(outer: _Seen | None, inner: _Seen, step: int) -> int | None:
    if inner.bar.total is None or inner.first is None or inner.steps_per_tick is None:
        return None
    rounds = _rounds_left(outer, inner)
    if rounds is None:
        return None
    # From the bar's start, which is on time: what it shows later lags behind the steps.
    n, steps = inner.first
    ticks = inner.bar.total - n + rounds * inner.bar.total
    estimate = steps + ticks * inner.steps_per_tick
    rounds_in_all = _rounds_in_all(outer, inner)
    if rounds_in_all is not None:  # the script's own arithmetic, where the estimate does not speak against it
        exact = rounds_in_all * inner.bar.total * inner.steps_per_tick
        estimate = exact if abs(exact - estimate) <= SAME_TOTAL * estimate else estimate
    return max(step, round(estimate))


def _rounds_in_all(outer: _Seen | None, inner: _Seen) -> float | None:
    if outer is not None:
        return outer.bar.total
    match = _EPOCH.search(inner.bar.desc)
    if match is None or match[2] is None:
        return 1.0 if match is None else None
    return float(match[2])


def _rounds_left(outer: _Seen | None, inner: _Seen) -> float | None:
    """How many times the inner bar will still start anew; None where it says "epoch 3" and not of how many."""
    if outer is not None and outer.bar.total is not None:
        return max(0.0, outer.bar.total - outer.bar.n - 1)
    match = _EPOCH.search(inner.bar.desc)
    if match is None:
        return 0.0
    if match[2] is None:
        return None
    number, of = int(match[1]), int(match[2])
    return max(0.0, of - number - (1 if number == 0 else 0))  # "0/10" is the first of ten
