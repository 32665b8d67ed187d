"""Parameters all of whose rows are the same: units that start alike, get alike gradients and stay alike."""

from __future__ import annotations

import time
from time import perf_counter
from typing import Any

from dlmon_probes.events_model import EqualRows
from dlmon_probes.training import tensors
from dlmon_probes.training.agent import Agent
from dlmon_probes.training.loop import Loop

NAME = "equal rows"
LOOKS = (0, 5)  # the first sampled step from each of these on
MOST_PARAMETERS = 256
MOST_ROWS = 64  # of a parameter
MOST_COLUMNS = 1_024
ROUNDING = 1e-6


class EqualRowsProbe:
    def __init__(self, agent: Agent) -> None:
        self._agent = agent
        self._looks = 0

    def before_step(self, _optimizer: Any, _index: int) -> None:
        agent = self._agent
        if self._looks >= len(LOOKS) or agent.step < LOOKS[self._looks] or agent.names is None:
            return
        self._looks += 1
        began = perf_counter()
        with tensors.immune():
            looked = [(p, flag) for p, parameter in agent.names.known() for flag in _flags(parameter)]
            self._tell(looked[:MOST_PARAMETERS])
        agent.governor.pay_for(NAME, perf_counter() - began)

    def _tell(self, looked: list[tuple[int, Any]]) -> None:
        agent, step = self._agent, self._agent.step
        indices = [p for p, _ in looked]

        def done(values: list[list[float]]) -> None:
            equal = [p for p, flag in zip(indices, values) if flag and flag[0]]
            agent.emit(EqualRows(time.time(), step, equal, len(indices)))

        agent.later([flag for _, flag in looked], done)


def _flags(parameter: Any) -> list[Any]:
    """[1] if the first rows are all equal; nothing for what has no rows to compare."""
    if not parameter.requires_grad or parameter.dim() < 2:
        return []
    w = tensors.local(parameter)
    if w is None or w.shape[0] < 2 or not w.numel():
        return []
    rows = w[:MOST_ROWS].reshape(min(MOST_ROWS, int(w.shape[0])), -1)[:, :MOST_COLUMNS]
    room = ROUNDING * rows.abs().amax()  # equal sums in another order differ in the last places
    return [((rows - rows[:1]).abs() <= room).all().float().reshape(1)]


def install(agent: Agent, _loop: Loop) -> None:
    agent.guard(NAME, agent.sampled_before_step, EqualRowsProbe(agent).before_step)
