"""Puts a stage into a process of a rehearsal."""

from __future__ import annotations

import functools
import importlib
import os
import time
from typing import Any, Optional

from dlmon_probes import control
from dlmon_probes.stages import plan as plans
from dlmon_probes.stages.ending import alive
from dlmon_probes.stages.plan import Plan
from dlmon_probes.training.agent import Agent
from dlmon_probes.training.loop import Loop

POLL_SECONDS = 0.005
LOOK_SECONDS = 0.5  # between looks whether the one who is to release this process is still there

# Stage → module and class.
_CLASSES = {
    plans.SMOKE: ("smoke", "Smoke"),
    plans.REPEAT: ("smoke", "Repeat"),
    plans.ENGINE: ("engine", "Engine"),
    plans.OVERFIT: ("overfit", "Overfit"),
    plans.LR: ("sweep", "Sweep"),
    plans.SUBSET: ("part", "Part"),
}


class Rehearsal:
    """One process's part in a stage, from torch's import on."""

    def __init__(self, run: str, page: control.ControlPage, plan: Plan) -> None:
        self._run = run
        self._page = page
        self._plan = plan
        self._stage: Any = None

    def after_torch(self) -> None:
        """torch was imported, and nothing of the probes is in it yet."""
        from dlmon_probes.stages import calm
        from dlmon_probes.stages.files import savers

        wait_for_release(self._page, self._plan)
        savers.install(self._run)
        if not self._plan.compile:
            calm.without_compile()
        if self._plan.name == plans.OVERFIT:
            calm.without_dropout()
        self._wrap_backward()

    def before_instruments(self, agent: Agent, loop: Loop) -> None:
        """The agent is there; what the instruments will see is what the stage makes of it."""
        from dlmon_probes.stages import extra_forwards
        from dlmon_probes.stages.files import checkpoints

        module, name = _CLASSES[self._plan.name]
        cls = getattr(importlib.import_module(f"dlmon_probes.stages.{module}"), name)
        self._stage = cls(agent, loop, self._plan)
        self._stage.install()
        if self._plan.name == plans.SMOKE:
            checkpoints.install(agent)
            extra_forwards.install(agent, loop)

    def _wrap_backward(self) -> None:
        """Inside of the probes' own wrap, which reads its caller's line."""
        import torch

        original = torch.autograd.backward
        depth = 0

        @functools.wraps(original)
        def backward(tensors: Any, *args: Any, **kwargs: Any) -> Any:
            nonlocal depth
            depth += 1
            try:
                result = original(tensors, *args, **kwargs)
            finally:
                depth -= 1
            if not depth and self._stage is not None:  # checkpointing runs a backward inside the backward
                self._stage.backward_done()
            return result

        torch.autograd.backward = backward


def wait_for_release(page: control.ControlPage, plan: Plan) -> None:
    """Wait, where the stage was started in advance, until it is its turn. Ends the process when nobody is left to say
    so."""
    looked = time.monotonic()
    while plan.hold and not page.read(control.RELEASED):
        time.sleep(POLL_SECONDS)
        if time.monotonic() - looked > LOOK_SECONDS:
            looked = time.monotonic()
            if plan.driver and not alive(plan.driver):
                os._exit(0)


def rehearsal(run: str, page: control.ControlPage) -> Optional[Rehearsal]:
    """This process's part in the stage that the environment speaks of; None outside of rehearsals."""
    plan = plans.from_environment()
    return Rehearsal(run, page, plan) if plan is not None and plan.name in _CLASSES else None
