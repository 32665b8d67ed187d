"""What can be said of the loop only once, or only at the end: the seed, weights kept frozen, optimizers that idle."""

from __future__ import annotations

import os
import sys
import time
import weakref
from typing import Any, Optional

from dlmon_probes import events_loop
from dlmon_probes.training import tensors
from dlmon_probes.training.agent import Agent
from dlmon_probes.training.loop import Loop

SUBSAMPLE = 2_048
MOST_FROZEN = 256
MOST_WATCHED = 8  # optimizers
LOOKS = frozenset({3, 30, 99})  # backwards in one cycle at which idle optimizers are told before the end

Kept = tuple[Any, Any]  # a weak reference to a weight, some of its values at the first backward


class TotalsProbe:
    def __init__(self, agent: Agent, loop: Loop) -> None:
        self._agent = agent
        self._loop = loop
        self._stepped: weakref.WeakSet[Any] = weakref.WeakSet()
        self._watched: weakref.WeakKeyDictionary[Any, list[Kept]] = weakref.WeakKeyDictionary()
        self._frozen_told = False

    def started(self) -> None:
        seed = int(tensors.torch_module().initial_seed())
        main = getattr(sys.modules.get("__main__"), "__file__", None) or ""
        self._agent.emit(events_loop.Beginning(time.time(), self._agent.step, seed, main and os.path.abspath(main)))

    # ------------------------------------------------------------ optimizers that do not step

    def before_backward(self, _loss: Any, _series: int) -> None:
        waiting = self._loop.row.backwards
        if self._agent.step == 0 and waiting == 1 and not self._watched:
            for optimizer in list(self._loop.made_at)[:MOST_WATCHED]:
                self._watched[optimizer] = _some_weights(optimizer)
        if waiting in LOOKS:
            self.tell(waiting)

    def before_step(self, optimizer: Any, _index: int) -> None:
        if len(self._stepped) < MOST_WATCHED:
            self._stepped.add(optimizer)

    def tell(self, waiting: int, ended: bool = False) -> None:
        made = list(self._loop.made_at)
        idle = [o for o in made if o in self._watched and o not in self._stepped and not o.__dict__.get("state")]
        names = self._agent.names
        if not idle or names is None:
            return
        rows = [
            events_loop.IdleOptimizer(
                type(optimizer).__name__,
                [p for g in optimizer.param_groups for p in map(names.index, g["params"]) if p is not None],
                self._loop.made_at.get(optimizer),
            )
            for optimizer in idle
        ]
        agent, step = self._agent, self._agent.step
        with tensors.immune():
            changes = [_change(*kept) for optimizer in idle for kept in self._watched[optimizer]]

        def done(values: list[list[float]]) -> None:
            seen = [value[0] for value in values if value]
            moved = any(value != 0 for value in seen) if seen else None
            agent.emit(events_loop.LoopTotals(time.time(), step, waiting, len(made), rows, moved, ended))

        agent.later([change for change in changes if change is not None], done)

    def ending(self) -> None:
        self.tell(self._loop.row.backwards, ended=True)

    # ------------------------------------------------------------ frozen weights

    def step_closed(self, step: int) -> None:
        """Once, after the first step: the weights that require no gradient."""
        names = self._agent.names
        if self._frozen_told or names is None:
            return
        self._frozen_told = True
        known = [(p, tensors.local(w)) for p, w in names.known() if not w.requires_grad and w.dim() >= 2]
        frozen = [(p, w) for p, w in known if w is not None and w.numel() and w.dtype.is_floating_point]
        frozen = frozen[-MOST_FROZEN:]
        if not frozen:
            return
        with tensors.immune():
            torch = tensors.torch_module()
            samples = [tensors.subsample(w, SUBSAMPLE).detach().float() for _, w in frozen]
            vectors = [torch.stack([x.square().mean().sqrt(), x.abs().max()]) for x in samples]

        def done(values: list[list[float]]) -> None:
            rms: list[Optional[float]] = [value[0] for value in values]
            largest: list[Optional[float]] = [value[1] for value in values]
            self._agent.emit(events_loop.FrozenWeights(time.time(), step, [p for p, _ in frozen], rms, largest))

        self._agent.later(vectors, done)


def _some_weights(optimizer: Any) -> list[Kept]:
    """The first, a middle and the last of its weights."""
    held = [p for group in optimizer.param_groups for p in group["params"] if p.requires_grad]
    kept: list[Kept] = []
    with tensors.immune():
        for place in sorted({0, len(held) // 2, len(held) - 1}) if held else []:
            readable = tensors.local(held[place])
            if readable is not None and readable.numel():
                kept.append((weakref.ref(held[place]), tensors.subsample(readable, SUBSAMPLE).detach().clone()))
    return kept


def _change(reference: Any, before: Any) -> Optional[Any]:
    parameter = reference()
    readable = tensors.local(parameter) if parameter is not None else None
    if readable is None or readable.device != before.device:
        return None
    now = tensors.subsample(readable, SUBSAMPLE).detach()
    return None if now.shape != before.shape else (now - before).abs().max().float().reshape(1)


def install(agent: Agent, loop: Loop) -> None:
    probe = TotalsProbe(agent, loop)
    agent.guard("totals", agent.started, probe.started)
    agent.guard("totals", agent.sampled_before_backward, probe.before_backward)
    agent.guard("totals", agent.sampled_before_step, probe.before_step)
    agent.guard("totals", agent.step_closed, probe.step_closed)
    agent.guard("totals", agent.ending, probe.ending)
