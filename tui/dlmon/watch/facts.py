"""The named facts that a condition may speak of, and their values so far, from a run's events."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dlmon.state.evaluation_names import TRAIN, VALIDATION, PassName, PassNames
from dlmon_probes import events

if TYPE_CHECKING:  # conditions are checked before the training starts, which does not wait for the decoder
    from dlmon.record.reader import Tagged

MOST_KEPT = 10_000  # values of one fact that `mean(n)` and its like can look back on
MOST_FACTS = 1000
_GIB = 1 << 30

# name: (what it is, whether a new value of it is better when it is higher)
NAMES: dict[str, tuple[str, bool]] = {
    "loss": ("training loss of the step (of the first place that calls backward)", False),
    "grad_norm": ("total gradient norm at the last sampled step", False),
    "lr": ("learning rate of the first parameter group", False),
    "step": ("optimizer steps done", True),
    "step_seconds": ("seconds that the step took", False),
    "wait_seconds": ("seconds of it that were spent waiting for data", False),
    "val_loss": ("loss of the last evaluation", False),
    "val_accuracy": ("accuracy of the last evaluation, 0 to 1", True),
    "gpu_memory": ("GiB that torch has allocated on the fullest GPU, as last told", False),
    "elapsed": ("seconds since the training process began", True),
}


class History:
    """The values of one fact, oldest first; the last 10,000 are kept. higher: a higher value is a better one."""

    def __init__(self, higher: bool = False) -> None:
        self.values: deque[float] = deque(maxlen=MOST_KEPT)
        self.count = 0
        self.best: float | None = None
        self._best_at = 0  # the count at which it came
        self._sign = -1.0 if higher else 1.0

    def append(self, value: float) -> None:
        self.values.append(value)
        self.count += 1
        if math.isfinite(value) and (self.best is None or value * self._sign < self.best * self._sign):
            self.best, self._best_at = value, self.count

    @property
    def last(self) -> float | None:
        return self.values[-1] if self.values else None

    def since_best(self) -> int:
        """Values that came after the best one. Without a finite value: all."""
        return self.count - self._best_at

    def tail(self, size: int) -> list[float]:
        """The last `size` values; empty while there are fewer."""
        kept = len(self.values)
        return [self.values[i] for i in range(kept - size, kept)] if size <= kept else []


@dataclass(frozen=True)
class Moment:
    """A place at which conditions are judged: after a step or an evaluation. step: steps done by then."""

    step: int


class Facts:
    """Fold of the events of the leading process. `moments` stops after each step, so that no step is passed over."""

    def __init__(self) -> None:
        self._histories: dict[str, History] = {}
        self._leader: tuple[int, str] | None = None
        self._origin = 0.0
        self._series: dict[str, str] = {}  # index of a backward's place to its name
        self._first_series: str | None = None
        self._passes = PassNames()
        self._evaluated: PassName | None = None  # what val_loss speaks of

    def history(self, name: str) -> History:
        """Of a fact by its name; empty for one that was never reported."""
        return self._histories.get(name, _NOTHING)

    def names(self) -> list[str]:
        """Of the facts that were reported."""
        return sorted(self._histories)

    def moments(self, tagged: Tagged) -> Iterator[Moment]:
        """Fold one event, and stop at every moment it has."""
        event = tagged.event
        if tagged.rank < 0 or not self._leads(tagged):
            return
        if isinstance(event, events.Steps):
            yield from self._steps(event)
        elif isinstance(event, events.Evaluation):
            self._evaluation(event)
            yield Moment(event.step)
        elif isinstance(event, events.Scalars):
            for row in event.rows:
                self._add(row.tag, row.value)
            yield Moment(event.at)
        elif isinstance(event, events.Series):
            self._series[str(event.series)] = event.name
        elif isinstance(event, events.Memory):
            if event.device != "cpu":
                self._add("gpu_memory", event.allocated / _GIB)
        elif isinstance(event, events.Loader):
            self._passes.loader(event)
        elif isinstance(event, events.Hello):
            self._origin = event.t

    def _leads(self, tagged: Tagged) -> bool:
        """The process of the lowest rank; of several of that rank the newest."""
        new = isinstance(tagged.event, events.Hello)
        if self._leader is None or tagged.rank < self._leader[0] or (new and tagged.rank == self._leader[0]):
            self._leader = (tagged.rank, tagged.source)
        return self._leader == (tagged.rank, tagged.source)

    def _steps(self, event: events.Steps) -> Iterator[Moment]:
        for row in range(len(event.at)):
            self._add("step", event.first + row + 1)
            self._add("elapsed", event.at[row])
            self._add("lr", _at(event.lr, row))
            self._add("step_seconds", _at(event.dt, row))
            self._add("wait_seconds", _at(event.wait, row))
            self._add("grad_norm", _at(event.grad_norm, row))
            for key, values in event.loss.items():
                self._loss(key, _at(values, row))
            yield Moment(event.first + row + 1)

    def _loss(self, key: str, value: Any) -> None:
        if value is None:
            return
        if self._first_series is None:
            self._first_series = key
        if key == self._first_series:
            self._add("loss", value)
        name = self._series.get(key, "")
        if name and name != "loss":
            self._add(name, value)

    def _evaluation(self, event: events.Evaluation) -> None:
        """val_loss is that of the first validation set; before there is one, of the first set but the training set."""
        name = self._passes.of(event)
        if name.role != TRAIN and (self._evaluated is None or (name.role == VALIDATION != self._evaluated.role)):
            self._evaluated = name
        if name == self._evaluated:
            self._add("val_loss", event.loss)
            self._add("val_accuracy", event.accuracy)
        self._add(f"{name.label} loss", event.loss)
        self._add(f"{name.label} accuracy", event.accuracy)

    def _add(self, name: str, value: Any) -> None:
        if not isinstance(value, (int, float)):
            return
        history = self._histories.get(name)
        if history is None:
            if len(self._histories) >= MOST_FACTS:
                return
            higher = NAMES[name][1] if name in NAMES else "acc" in name.lower()
            history = self._histories[name] = History(higher)
        history.append(float(value))


def _at(values: Any, row: int) -> Any:
    return values[row] if row < len(values) else None


_NOTHING = History()
