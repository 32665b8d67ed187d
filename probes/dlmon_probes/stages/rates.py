"""The learning rate and weight decay of a stage: held, or swept. Set for the length of each optimizer step only.

The schedule's own arithmetic goes on undisturbed with the values that it left in the groups; a schedule that counts
its steps is not stepped beyond its end, since a stage makes more of them than the script planned for.
"""

from __future__ import annotations

import functools
import weakref
from typing import Any, Callable, Optional

Rate = Callable[[float, int], float]  # (the group's base rate, steps done) → the rate to use


FACTOR = 0.5  # base rates from here on, with a scheduled rate far below them, are factors
FAR_BELOW = 0.05


class Base:
    """What one parameter group's rate would be without a schedule.

    A scheduler says so itself (`max_lr`, `initial_lr`). A schedule set by hand does not: if the rate rises from its
    first value it is a warm-up to at least the rate the optimizer was made with; if not, it starts from its base.
    """

    def __init__(self, made: Optional[float]) -> None:
        self._made = made
        self._first: Optional[float] = None
        self._highest = 0.0

    def rate(self, group: Any) -> Optional[float]:
        """The rate to use; None where it is a tensor or there is none."""
        now = group.get("lr")
        if not isinstance(now, (int, float)):
            return None
        told = [group.get(key) for key in ("max_lr", "initial_lr")]
        scheduled = next((value for value in told if isinstance(value, (int, float)) and value > 0), None)
        if self._first is None:
            self._first = float(now)
        self._highest = max(self._highest, float(now))
        if scheduled is not None:
            return float(scheduled)
        rises = now > self._first or not now
        return max(self._highest, self._made or 0.0) if rises else self._highest


class Rates:
    """Overrides options of all optimizers while they step. note: is told once what was changed."""

    def __init__(
        self, rate: Rate, steps: Callable[[], int], *, decay: bool, note: Callable[[str], None], sweeps: bool = False
    ) -> None:
        self._rate = rate
        self._steps = steps
        self._decay = decay
        self._sweeps = sweeps
        self._note = note
        self._made: weakref.WeakKeyDictionary[Any, list[Any]] = weakref.WeakKeyDictionary()
        self._bases: weakref.WeakKeyDictionary[Any, list[Base]] = weakref.WeakKeyDictionary()
        self._kept: list[tuple[Any, str, Any]] = []
        self.follows = False  # the schedule is followed: what looks like a base rate is a factor

    def made(self, optimizer: Any) -> None:
        """An optimizer was made: what its groups say now is what the script gave."""
        self._made[optimizer] = [group.get("lr") for group in optimizer.param_groups]

    def before(self, optimizer: Any) -> None:
        groups = optimizer.param_groups
        bases = self._bases.setdefault(optimizer, [])
        if not bases:
            self._tell(optimizer, groups)
        made = self._made.get(optimizer, [])
        for i in range(len(bases), len(groups)):
            given = made[i] if i < len(made) else None
            bases.append(Base(float(given) if isinstance(given, (int, float)) else None))
        self.after()
        for group, base in zip(groups, bases):
            rate = base.rate(group)
            if rate is not None and self._is_factor(group, rate):
                rate = None
            if rate is not None:
                self._set(group, "lr", self._rate(rate, self._steps()))
            if not self._decay and group.get("weight_decay"):
                self._set(group, "weight_decay", 0.0)

    def _is_factor(self, group: Any, rate: float) -> bool:
        """Schedules that compute the whole rate are given a base of 1 (Noam's, Vaswani 2017): held there, anything
        would fall apart."""
        if not self.follows and not self._sweeps and rate >= FACTOR and 0 <= group["lr"] < rate * FAR_BELOW:
            self.follows = True
            self._note(f"the learning rate follows its schedule: its base of {rate:g} is a factor")
        return self.follows

    def after(self) -> None:
        """Put back what the groups said."""
        while self._kept:
            group, key, value = self._kept.pop()
            group[key] = value

    def _set(self, group: Any, key: str, value: Any) -> None:
        self._kept.append((group, key, group[key]))
        group[key] = value

    def _tell(self, optimizer: Any, groups: Any) -> None:
        name = type(optimizer).__name__
        given = self._made.get(optimizer) or [group.get("lr") for group in groups]
        rates = ", ".join(f"{rate:g}" for rate in dict.fromkeys(given) if isinstance(rate, (int, float)))
        self._note(f"{name}: learning rate of the script {rates or 'not known'}")
        decays = [group["weight_decay"] for group in groups if group.get("weight_decay")]
        if decays and not self._decay:
            self._note(f"{name}: weight decay {decays[0]:g} set to 0")


def install(rates: Rates, failed: Callable[[Exception], None], training: Callable[[], bool]) -> None:
    """Hook into all optimizers, and stop schedulers from counting once the training has begun."""
    from torch.optim import Optimizer, lr_scheduler
    from torch.optim.optimizer import register_optimizer_step_post_hook, register_optimizer_step_pre_hook

    def before(optimizer: Any, _args: Any, _kwargs: Any) -> None:
        try:
            rates.before(optimizer)
        except Exception as error:
            failed(error)

    def after(_optimizer: Any, _args: Any, _kwargs: Any) -> None:
        rates.after()

    original = Optimizer.__init__

    @functools.wraps(original)
    def __init__(self: Any, *args: Any, **kwargs: Any) -> None:
        original(self, *args, **kwargs)
        try:
            rates.made(self)
        except Exception as error:
            failed(error)

    Optimizer.__init__ = __init__
    register_optimizer_step_pre_hook(before)
    register_optimizer_step_post_hook(after)
    for cls in {lr_scheduler.LRScheduler, lr_scheduler.ReduceLROnPlateau}:
        _stand_still(cls, rates, training)


def _stand_still(cls: Any, rates: Rates, training: Callable[[], bool]) -> None:
    original = cls.__dict__.get("step")
    if original is None:
        return
    begun: weakref.WeakSet[Any] = weakref.WeakSet()  # the first call is the constructor's, and sets attributes

    @functools.wraps(original)
    def step(self: Any, *args: Any, **kwargs: Any) -> Any:
        if training() and self in begun and not rates.follows:
            return None
        begun.add(self)
        return original(self, *args, **kwargs)

    cls.step = step
