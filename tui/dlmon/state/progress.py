"""How far a run is: read off the script's own progress bars, and off its loader where it has no bar."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from dlmon_probes import events

_EPOCH = re.compile(r"\bepochs?\b\W{0,3}(\d{1,7})(?:\s*(?:/|of)\s*(\d{1,7}))?", re.IGNORECASE)
_EPOCH_WORD = re.compile(r"\bepochs?\b|\bep\b", re.IGNORECASE)
FEWEST_STEPS_FOR_ETA = 5  # the first steps are never typical


@dataclass(frozen=True)
class Progress:
    """total_steps None and epoch "" where the script gives no sign of them."""

    total_steps: int | None = None
    epoch: str = ""


@dataclass
class _Seen:
    """A bar and how many steps the training took while it moved."""

    bar: events.Bar
    first_n: float
    first_step: int
    step: int

    @property
    def steps_per_tick(self) -> float | None:
        ticks = self.bar.n - self.first_n
        return (self.step - self.first_step) / ticks if ticks > 0 else None

    @property
    def trains(self) -> bool:
        return bool(self.steps_per_tick)

    @property
    def left(self) -> float | None:
        return None if self.bar.total is None else max(0.0, self.bar.total - self.bar.n)


class BarProgress:
    """Fold of the leading process's `bar` events."""

    def __init__(self) -> None:
        self._seen: dict[int, _Seen] = {}
        self._epoch = ""

    def bar(self, event: events.Bar, step: int) -> None:
        """step: completed steps at the time of the event."""
        if event.closed:
            self._seen.pop(event.bar, None)
            return
        seen = self._seen.get(event.bar)
        if seen is None or event.n < seen.bar.n:
            self._seen[event.bar] = _Seen(event, event.n, step, step)
        else:
            seen.bar, seen.step = event, step

    def progress(self, step: int) -> Progress:
        bars = sorted(self._seen.values(), key=lambda seen: (seen.bar.position, seen.bar.bar))
        training = [seen for seen in bars if seen.trains]
        inner = training[-1] if training else None
        outer = _outer(bars, inner)
        text = _epoch_text(bars, outer)
        self._epoch = text or self._epoch
        return Progress(_total(outer, inner, step), text or self._epoch)


def _outer(bars: list[_Seen], inner: _Seen | None) -> _Seen | None:
    """The bar around the training bar: it may not have moved yet, as in the first epoch."""
    for seen in bars:
        if seen is inner or seen.bar.total is None:
            return None
        if inner is not None and (seen.trains or seen.bar.n == seen.first_n) and _is_around(seen, inner):
            return seen
    return None


def _is_around(seen: _Seen, inner: _Seen) -> bool:
    return seen.bar.position < inner.bar.position or (
        seen.bar.position == inner.bar.position and seen.bar.bar < inner.bar.bar
    )


def _epoch_text(bars: list[_Seen], outer: _Seen | None) -> str:
    for seen in bars:
        match = _EPOCH.search(seen.bar.desc)
        if match:
            return match[1] if match[2] is None else f"{match[1]}/{match[2]}"
    counting = outer or next((seen for seen in bars if _counts_epochs(seen.bar)), None)
    if counting is None or (counting.bar.desc and counting is outer and not _counts_epochs(counting.bar)):
        return ""
    total = counting.bar.total
    current = int(counting.bar.n) + 1
    return f"{current}" if total is None else f"{min(current, int(total))}/{int(total)}"


def _counts_epochs(bar: events.Bar) -> bool:
    return bool(_EPOCH_WORD.search(bar.desc) or _EPOCH_WORD.search(bar.unit))


def _total(outer: _Seen | None, inner: _Seen | None, step: int) -> int | None:
    if inner is None or inner.left is None or inner.steps_per_tick is None or inner.bar.total is None:
        return None
    rounds = _rounds_left(outer, inner)
    if rounds is None:
        return None
    # The bar's last report may be older than the last step.
    since = max(0, step - inner.step)
    left = inner.left * inner.steps_per_tick + rounds * inner.bar.total * inner.steps_per_tick
    return step + max(0, round(left - since))


def _rounds_left(outer: _Seen | None, inner: _Seen) -> float | None:
    """How many times the inner bar will still start anew; None where it says "epoch 3" and not of how many."""
    if outer is not None and outer.left is not None:
        return max(0.0, outer.left - 1)
    match = _EPOCH.search(inner.bar.desc)
    if match is None:
        return 0.0
    if match[2] is None:
        return None
    number, of = int(match[1]), int(match[2])
    return max(0.0, of - number - (1 if number == 0 else 0))  # "0/10" is the first of ten


class PassCounter:
    """Passes over the training data, from the rows that steps consumed: for scripts that show no bar."""

    def __init__(self) -> None:
        self._loader: events.Loader | None = None
        self._rows = 0

    def loader(self, event: events.Loader) -> None:
        """The largest loader of known length is taken for the training's."""
        if event.samples and event.batch_size and event.samples > ((self._loader and self._loader.samples) or 0):
            self._loader = event

    def steps(self, event: events.Steps) -> None:
        if self._loader is None or self._loader.batch_size is None:
            return
        most = self._loader.batch_size
        if _same(event.samples) and _same(event.micro):
            self._rows += len(event.samples) * _consumed(event.samples[0], event.micro[0], most)
        else:
            rows = zip(event.samples, event.micro, strict=False)
            self._rows += sum(_consumed(samples, micro, most) for samples, micro in rows)

    def text(self) -> str:
        """ "3" in the third pass; "" where it cannot be told."""
        if self._loader is None or not self._loader.samples or not self._rows:
            return ""
        return str((self._rows - 1) // self._loader.samples + 1)


def _same(column: Sequence[int | None]) -> bool:
    return bool(column) and column.count(column[0]) == len(column)


def _consumed(samples: int | None, micro: int, batch_size: int) -> int:
    """Rows that a step trained on: after an evaluation it also pulled that one's batches."""
    return min(samples or 0, batch_size * max(1, micro))


def eta(step: int, total: int | None, first: tuple[int, float] | None, last: float | None) -> float | None:
    """Seconds left. first: step and unix time of the first step's end; last: unix time of the last one's.

    Evaluation and checkpoints between steps count into the mean, as they will in what is left.
    """
    if total is None or first is None or last is None:
        return None
    steps = step - 1 - first[0]
    if steps < FEWEST_STEPS_FOR_ETA or last <= first[1]:
        return None
    return max(0.0, (total - step) * (last - first[1]) / steps)
