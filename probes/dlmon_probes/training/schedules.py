"""How learning-rate schedulers are used: how often they step, when, with which settings.

A call costs a lookup and a counter; the rest is read at the first calls and in sampled steps.
"""

from __future__ import annotations

import functools
import sys
import time
import weakref
from time import perf_counter
from typing import Any, Callable, Optional

from dlmon_probes import events, events_loop
from dlmon_probes.training import callsite, order
from dlmon_probes.training.agent import Agent
from dlmon_probes.training.fuse import Fuse
from dlmon_probes.training.loop import Loop

FIRST_CALLS = 16
LOCATED_CALLS = 4


class Use:
    """What is known of one scheduler."""

    def __init__(self, number: int, made: Optional[events.Where]) -> None:
        self.number = number
        self.made = made
        self.calls = 0
        self.told = 0
        self.at: list[int] = []
        self.last_at = 0
        self.metrics: list[Optional[float]] = []
        self.explicit = False
        self.first_lr: Optional[float] = None
        self.where: Optional[events.Where] = None
        self.same_line = True
        self.backwards_before = False


class ScheduleProbe:
    def __init__(self, agent: Agent, loop: Loop) -> None:
        self._agent = agent
        self._loop = loop
        self._uses: weakref.WeakKeyDictionary[Any, Use] = weakref.WeakKeyDictionary()
        self._made = 0

    def made(self, scheduler: Any) -> None:
        self._number(scheduler, callsite.where(callsite.caller(2)))

    def _number(self, scheduler: Any, made: Optional[events.Where]) -> Use:
        use = self._uses.get(scheduler)
        if use is None:
            use = self._uses[scheduler] = Use(self._made, made)
            self._made += 1
        return use

    def stepped(self, scheduler: Any, args: Any, kwargs: Any) -> None:
        """step() of a scheduler was called by somebody else than its own construction."""
        began = perf_counter()
        use = self._uses.get(scheduler)
        if use is None:
            use = self._number(scheduler, None)
        agent = self._agent
        use.calls += 1
        use.last_at = agent.step
        if use.calls <= FIRST_CALLS:
            self._look_closer(use, scheduler, args, kwargs)
        if agent.sampling:
            optimizer = scheduler.__dict__.get("optimizer")
            probe = order.probe_of(agent)
            if probe is not None and optimizer is not None:
                probe.note("schedule", order.known_index(self._loop, optimizer))
        agent.governor.always_cost += perf_counter() - began

    def _look_closer(self, use: Use, scheduler: Any, args: Any, kwargs: Any) -> None:
        given = args[0] if args else kwargs.get("metrics", kwargs.get("epoch"))
        plateau = "Plateau" in type(scheduler).__name__
        if plateau:
            use.metrics.append(_number(given))
        use.explicit = use.explicit or (given is not None and not plateau) or len(args) > 1
        use.at.append(self._agent.step)
        if use.calls == 1:
            use.first_lr = _lr(scheduler)
            use.backwards_before = bool(self._agent.step or self._loop.row.backwards)
        if use.calls <= LOCATED_CALLS:
            place = callsite.where(callsite.caller(2))
            if use.where is not None and (place is None or place.line != use.where.line):
                use.same_line = False
            use.where = use.where or place

    def tell(self, ended: bool = False) -> None:
        for scheduler, use in list(self._uses.items()):
            if use.calls != use.told or (ended and use.calls):
                use.told = use.calls
                self._agent.emit(self._event(scheduler, use))

    def _event(self, scheduler: Any, use: Use) -> events_loop.Schedule:
        optimizer = scheduler.__dict__.get("optimizer")
        return events_loop.Schedule(
            t=time.time(), step=self._agent.step, schedule=use.number, cls=type(scheduler).__name__,
            optimizer=None if optimizer is None else order.known_index(self._loop, optimizer), calls=use.calls,
            at=list(use.at), last_at=use.last_at, options=_options(scheduler), metrics=list(use.metrics),
            explicit=use.explicit, lr=_lr(scheduler), first_lr=use.first_lr, made=use.made, where=use.where,
            same_line=use.same_line, backwards_before=use.backwards_before,
        )  # fmt: skip


def _number(value: Any) -> Optional[float]:
    """A plain number, or that of a tensor on the CPU: reading one on a device would wait for it."""
    if isinstance(value, (int, float)):
        return float(value)
    if getattr(getattr(value, "device", None), "type", "") == "cpu" and value.numel() == 1:
        return float(value.detach())
    try:
        return float(value) if type(value).__module__ == "numpy" else None
    except (TypeError, ValueError):
        return None


def _lr(scheduler: Any) -> Optional[float]:
    groups = getattr(scheduler.__dict__.get("optimizer"), "param_groups", None)
    lr = groups[0].get("lr") if groups else None
    return float(lr) if isinstance(lr, (int, float)) else None


def _options(scheduler: Any) -> dict[str, Any]:
    """Its settings that are plain: numbers, words, and the steps of MultiStepLR."""
    found: dict[str, Any] = {}
    for name, value in scheduler.__dict__.items():
        if name.startswith("_") or name == "verbose":
            continue
        if isinstance(value, (bool, int, float, str)):
            found[name] = value
        elif name == "milestones":
            found[name] = sorted(int(item) for item in list(value)[:16])
    return dict(list(found.items())[:24])


def install(agent: Agent, loop: Loop) -> None:
    import torch
    from torch.optim import lr_scheduler

    probe = ScheduleProbe(agent, loop)
    fuse = Fuse(agent, "schedules")
    base = lr_scheduler.LRScheduler
    depth = 0

    def making(original: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(original)
        def __init__(self: Any, *args: Any, **kwargs: Any) -> None:
            fuse.run(probe.made, self)
            original(self, *args, **kwargs)

        return __init__

    def stepping(original: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(original)
        def step(self: Any, *args: Any, **kwargs: Any) -> Any:
            nonlocal depth
            first = sys._getframe(1).f_code.co_name == "_initial_step"
            if depth or first or torch.compiler.is_compiling():  # one scheduler steps those it is made of
                return original(self, *args, **kwargs)
            fuse.run(probe.stepped, self, args, kwargs)
            depth += 1
            try:
                return original(self, *args, **kwargs)
            finally:
                depth -= 1

        return step

    for cls in {base, lr_scheduler.ReduceLROnPlateau}:
        cls.__init__ = making(cls.__init__)
    for value in list(vars(lr_scheduler).values()):
        if isinstance(value, type) and "step" in value.__dict__ and not issubclass(value, torch.optim.Optimizer):
            value.step = stepping(value.__dict__["step"])  # type: ignore[attr-defined]
    agent.guard("schedules", agent.step_closed, lambda _step: probe.tell())
    agent.guard("schedules", agent.ending, lambda: probe.tell(ended=True))
