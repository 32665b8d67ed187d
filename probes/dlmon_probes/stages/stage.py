"""What all stages share: the hooks, the notes they leave, and the end."""

from __future__ import annotations

import time
from typing import Any, Callable, Optional

from dlmon_probes import events
from dlmon_probes.stages import loaders
from dlmon_probes.stages.ending import Ending
from dlmon_probes.stages.loaders import Loaders, Pass, Policy
from dlmon_probes.stages.plan import Plan
from dlmon_probes.training.agent import Agent
from dlmon_probes.training.loop import Loop


class Stage:
    """A stage in this process. Subclasses say what they want of the loaders, backwards and steps.

    The methods named `on_…` are called in the training; an exception in one is reported and switches nothing off,
    StageEnd goes through.
    """

    def __init__(self, agent: Agent, loop: Loop, plan: Plan) -> None:
        self.agent = agent
        self.loop = loop
        self.plan = plan
        self.ending = Ending(agent, plan)
        self.loaders = Loaders(
            policy=Policy(self.limit, self.instead, self.seen, self.exhausted, self.uncut),
            steps=lambda: agent.step, passing=self._pulling, failed=self.failed,
        )  # fmt: skip

    def install(self) -> None:
        """Put the stage's hooks in."""
        self.note("begin")
        loaders.install(self.loaders)
        self.agent.after_each_step = self._stepped
        self.agent.before_backward.append(self._before_backward)

    def note(self, action: str, detail: str = "") -> None:
        self.agent.emit(events.Stage(time.time(), self.plan.name, action, self.agent.step, "", detail))

    def change(self, detail: str) -> None:
        """Tell what was made different."""
        self.note("change", detail)

    def failed(self, error: Exception) -> None:
        self.agent.report(f"stage {self.plan.name}", error)

    # ------------------------------------------------------------ what a stage decides

    def limit(self, current: Pass, grad: bool) -> Optional[int]:
        """Evaluation loaders give one batch, in every stage that does not say otherwise."""
        known = current.loader
        if not grad or (known.evaluated and not known.trained):
            return self.plan.eval_batches
        if not current.backwards:
            return self.loaders.patience()
        return None

    def instead(self, _current: Pass, _grad: bool) -> Optional[Callable[[], Any]]:
        return None

    def seen(self, _current: Pass, _batch: Any, _grad: bool) -> None:
        return None

    def exhausted(self, _current: Pass) -> Any:
        return loaders.NONE

    def uncut(self, _current: Pass) -> None:
        return None

    def on_backward(self, loss: Any, series: int) -> None:
        """A backward from `loss` is about to run."""

    def on_backward_done(self) -> None:
        """A backward has run."""

    def on_step(self, steps: int) -> None:
        """An optimizer cycle has ended; `steps` are done. The usual end: the plan's number of steps."""
        if self.plan.steps and steps >= self.plan.steps:
            self.ending.end("steps", f"{steps} steps")

    def on_pull(self) -> None:
        """A batch is asked for."""

    # ------------------------------------------------------------ the hooks

    def _pulling(self) -> None:
        self.ending.look()
        self._careful(self.on_pull)
        if not self.agent.training:
            self._careful(self.agent.begin)  # whoever is asked to rehearse is no bystander

    def _before_backward(self, loss: Any, series: int) -> None:
        self.agent.attention = True  # for the next one, too
        self.ending.look()
        self._careful(self.loaders.at_backward)
        self._careful(self.on_backward, loss, series)

    def _stepped(self, steps: int) -> None:
        self.loaders.at_step()
        self.ending.look()
        self._careful(self.on_step, steps)

    def _careful(self, function: Callable[..., Any], *args: Any) -> None:
        try:
            function(*args)
        except Exception as error:
            self.failed(error)

    def backward_done(self) -> None:
        self._careful(self.on_backward_done)
