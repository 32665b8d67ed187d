"""Conditions judged where the training runs, and what the step before a pause was computed from.

`--break-when` is judged beside the run, which is up to 0.25 s late. What speaks of the loss, the gradient norm, the
learning rate and the step only is judged here: before a backward with what is known by then, so that the step is looked
at in full if it seems to be the one, and again after the optimizer's step, when all of it is known. Then the page is
told to pause, and the loop waits at the end of this very step. 20 µs a step, and none where no condition was given.

The loss of a GPU is known when it has come over: there the pause is as late as beside the run.
"""

from __future__ import annotations

import json
import os
import time
from time import perf_counter
from typing import Any, Optional

from dlmon_probes import control
from dlmon_probes.events_watch import Break, Judging
from dlmon_probes.training import condition, data, doubtful, indices, process_group, structures, tensors
from dlmon_probes.training.agent import Agent
from dlmon_probes.training.loop import Loop, learning_rate
from dlmon_probes.training.rows import number_of

FILE = "watch.json"
LONGEST = 1 << 16  # bytes of it


class Judged:
    """One condition. true: it was at the last look, and does not break again until it was not."""

    def __init__(self, place: int, tree: Any) -> None:
        self.place, self.tree, self.true = place, tree, False
        self.names = condition.names_in(tree)
        condition.judge(tree, dict.fromkeys(("loss", "grad_norm", "lr", "step")))  # raises for what is no tree


class BreakProbe:
    def __init__(self, agent: Agent, loop: Loop) -> None:
        self._agent, self._loop = agent, loop
        self._conditions: list[Judged] = []
        self._facts: dict[str, Optional[float]] = dict.fromkeys(("loss", "grad_norm", "lr", "step"))
        self._ranked: Optional[doubtful.Ranked] = None
        self._batch: Optional[tuple[int, Any]] = None  # loader, batch: in sampled steps, until their end
        self._announced = self._foreseen = False
        self._told: Optional[int] = None  # the step of the last Break

    # ------------------------------------------------------------ conditions

    def started(self) -> None:
        """Take over what can be judged here. Only the leading process of those that train together breaks."""
        known = process_group.rank_and_world()
        path = os.path.join(self._agent.run, FILE)
        if (known is not None and known[0] > 0) or not os.path.exists(path):
            return
        with open(path, encoding="utf-8") as file:
            rows = json.loads(file.read(LONGEST))
        self._conditions = [Judged(i, row["tree"]) for i, row in enumerate(rows) if row["tree"] is not None]
        if self._conditions:
            self._agent.attention = True
            self._agent.guard("breaks", self._agent.before_backward, self.foresee)

    def _known(self) -> dict[str, Optional[float]]:
        facts, row = self._facts, self._loop.row
        facts["step"] = float(self._agent.step + 1)
        losses = row.losses.get(0)
        if losses:
            numbers = [number for number in map(number_of, losses) if number is not None]
            if numbers:
                facts["loss"] = sum(numbers) / len(numbers)
        if row.grad_norm is not None:
            facts["grad_norm"] = row.grad_norm
        facts["lr"] = row.lr if row.lr is not None else self._rate()
        return facts

    def _rate(self) -> Optional[float]:
        optimizer = self._loop.first_optimizer()
        return None if optimizer is None else learning_rate(optimizer)

    def foresee(self, _loss: Any, _series: int) -> None:
        """Before each backward: a step that seems to be the one is sampled, whatever it costs."""
        began, agent = perf_counter(), self._agent
        agent.attention = True  # for the next one, too
        facts = self._known()
        for judged in self._conditions:
            verdict = condition.judge(judged.tree, facts)
            if verdict and not judged.true:
                agent.sampling = self._foreseen = True
            elif not verdict:
                judged.true = False
        agent.governor.always_cost += perf_counter() - began

    # ------------------------------------------------------------ the step

    def at_backward(self, loss: Any, series: int) -> None:
        """In sampled steps: rank the samples if this may be the step before a pause."""
        wanted = self._foreseen or self._paused() or any("grad_norm" in judged.names for judged in self._conditions)
        if series or not wanted or tensors.out_of_reach():
            return
        with tensors.immune():
            self._ranked = doubtful.ranked(loss)

    def _paused(self) -> bool:
        return bool(self._agent.page.read(control.PAUSE))

    def after_step(self, _optimizer: Any, _index: int) -> None:
        agent = self._agent
        if self._conditions and not self._announced:
            self._announced = True
            agent.emit(Judging(time.time(), [judged.place for judged in self._conditions]))
        found = self._met()
        if found is not None and not self._paused():
            agent.page.pause()
        if (found is not None or self._paused()) and self._told != agent.step:
            self._told = agent.step
            self._tell(found)
        self.forget()

    def _met(self) -> Optional[Judged]:
        """The first condition that has turned true."""
        found, facts = None, self._known() if self._conditions else {}
        for judged in self._conditions:
            verdict = bool(condition.judge(judged.tree, facts))
            if verdict and not judged.true and found is None:
                found = judged
            judged.true = verdict
        return found

    def _tell(self, found: Optional[Judged]) -> None:
        agent, step, seen = self._agent, self._agent.step, self._ranked or doubtful.Ranked()
        values = {name: self._facts[name] for name in sorted(found.names)} if found is not None else {}
        place = found.place if found is not None else None
        probe = data.probe_of(agent)
        undescribed = probe.last_batch() if probe is not None else None
        loader, drawn = self._origin(seen, self._batch or undescribed)
        if undescribed is not None:
            data.describe(agent, *undescribed, None)
        seen.targets = None

        def done(read: list[list[float]]) -> None:
            samples = seen.samples(read[0], drawn) if read else []
            prediction, target = seen.facts(read[1:]) if read else (None, None)
            agent.emit(
                Break(time.time(), step, place, values, seen.op, seen.measure, seen.rows, samples, loader, prediction,
                      target)
            )  # fmt: skip

        with tensors.immune():
            agent.later(seen.vectors, done)

    def _origin(
        self, seen: doubtful.Ranked, batch: Optional[tuple[int, Any]]
    ) -> tuple[Optional[int], Optional[list[int]]]:
        """The loader of the samples and their indices: known where the targets are those of its last batch (programs
        that fetch one ahead have another in hand)."""
        targets = seen.targets
        if batch is None or targets is None or targets.device.type != "cpu":
            return None, None
        with tensors.immune():
            for leaf in structures.leaves(batch[1]):
                mine = tensors.local(leaf.tensor)
                if mine is not None and _equal(mine, targets):
                    return batch[0], indices.indices_of_rows(self._agent, batch[0], seen.rows)
        return None, None

    # ------------------------------------------------------------ batches

    def pulled(self, loader: int, _iterator: int, _rows: int, batch: Any, grad: bool) -> None:
        self._batch = (loader, batch) if grad and self._agent.sampling else None

    def forget(self, *_: Any) -> None:
        self._batch = self._ranked = None
        self._foreseen = False


def _equal(one: Any, other: Any) -> bool:
    """Whether two tensors on the host hold the same values, whatever their shapes."""
    if one.device.type != "cpu" or one.numel() != other.numel():
        return False
    return bool((one.reshape(-1) == other.reshape(-1)).all())


def install(agent: Agent, loop: Loop) -> None:
    probe = BreakProbe(agent, loop)
    agent.guard("breaks", agent.started, probe.started)
    agent.guard("breaks", agent.sampled_before_backward, probe.at_backward)
    agent.guard("breaks", agent.sampled_after_step, probe.after_step)
    agent.guard("breaks", agent.forked, probe.forget)
    agent.guard("breaks", agent.ending, probe.forget)
    batches = data.probe_of(agent)
    if batches is not None:
        agent.guard("breaks", batches.on_pull, probe.pulled)
        agent.guard("breaks", batches.on_end, probe.forget)
