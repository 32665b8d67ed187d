"""smoke: the model's forward once more on the inputs of the second step, with the inputs changed.

Tells whether its outputs depend on its inputs, and whether one sample's output depends on the other samples. All of it
happens between two steps, on a twin of the module in eval mode, with all random states put back.
"""

from __future__ import annotations

import functools
import io
import sys
import time
from dataclasses import dataclass
from time import perf_counter
from typing import Any, Callable, Optional

from dlmon_probes.events_model import ExtraForward
from dlmon_probes.stages.data.randomness import RandomStates
from dlmon_probes.stages.dependence import Dependence, Unclear, measure
from dlmon_probes.stages.held_calls import HeldCall, NotHeld, hold
from dlmon_probes.stages.twins import NotCopyable
from dlmon_probes.training import data, indices, names, tensors
from dlmon_probes.training.agent import Agent
from dlmon_probes.training.forwards import watch_of
from dlmon_probes.training.loop import Loop

NAME = "extra forwards"
STEP = 1  # counted from 0: the first update has been made, so that layers initialised to zero are zero no more
MOST_MODULES = 4
MOST_SECONDS = 3.0  # for all of them
SLOWEST = 2.0  # seconds of the step whose forward would be run again
FULL = 0.4  # share of a GPU's memory that was in use at the most


@dataclass
class _Call:
    module: Any
    held: Optional[HeldCall]
    trouble: str
    loader: Optional[int]
    rows: Optional[int]


class ExtraForwards:
    def __init__(self, agent: Agent, loop: Loop) -> None:
        self._agent = agent
        self._loop = loop
        self._watch = watch_of(agent)
        self._calls: dict[int, _Call] = {}
        self._batch = (-1, 0)  # loader and samples of the last batch for training
        self._began = 0.0
        self._watch.follow(NAME, outermost=self.called)

    def pulled(self, loader: int, _iterator: int, rows: int, _batch: Any, grad: bool) -> None:
        if grad:
            self._batch = (loader, rows)

    def called(self, module: Any, args: Any, kwargs: Any, _output: Any) -> None:
        """An outermost call has ended."""
        agent, torch = self._agent, tensors.torch_module()
        if agent.step != STEP or not agent.training or not torch.is_grad_enabled():
            return
        if not any(True for _, part in names.walk(module) for _ in names.own_parameters(part)):
            return  # a loss
        if id(module) not in self._calls and len(self._calls) >= MOST_MODULES:
            return
        loader, rows = self._batch
        drawn = indices.indices_of_rows(agent, loader, rows) if loader >= 0 else None
        held, trouble = None, ""
        try:
            with tensors.immune():
                held = hold(args, kwargs)
        except NotHeld as reason:
            trouble = str(reason)
        self._calls[id(module)] = _Call(
            module, held, trouble, loader if loader >= 0 else None, rows if drawn is not None else None
        )

    def stepped(self, steps: int) -> None:
        """`steps` optimizer cycles are done. At the second one: look, tell, and be gone."""
        if steps <= STEP:
            self._began = perf_counter()
            return
        if not self._watch.follows(NAME) and not self._calls:
            return
        self._watch.leave(NAME)
        calls, self._calls = list(self._calls.values()), {}
        if steps != STEP + 1 or not calls:
            return
        reason = self._reason_not_to(perf_counter() - self._began)
        until = perf_counter() + MOST_SECONDS
        for call in calls:
            self._look(call, call.trouble or reason, until)

    def _reason_not_to(self, seconds: float) -> str:
        torch = tensors.torch_module()
        if seconds > SLOWEST:
            return f"the step took {seconds:.1f} s"
        if torch.distributed.is_available() and torch.distributed.is_initialized():
            return "the program has process groups: a forward may wait for other ranks"
        if tensors.out_of_reach() or torch.is_inference_mode_enabled():
            return "inside of a transform"
        if torch.cuda.is_initialized():
            used, whole = torch.cuda.max_memory_allocated(), torch.cuda.mem_get_info()[1]
            if used > FULL * whole:
                return f"{used / whole:.0%} of the GPU's memory was in use"
        return ""

    def _look(self, call: _Call, trouble: str, until: float) -> None:
        began = perf_counter()
        found = Dependence()
        if not trouble:
            with _Unnoticed(self._loop, self._watch):
                try:
                    assert call.held is not None
                    found = measure(call.module, call.held, call.rows, until)
                except (Unclear, NotCopyable) as reason:
                    trouble = str(reason)
                except Exception as error:  # the user's forward in a mode or with values it was not made for
                    trouble = f"{type(error).__name__}: {error}"[:200]
        module_name = (self._agent.names.module_name(call.module) if self._agent.names is not None else None) or ""
        self._agent.emit(
            ExtraForward(
                time.time(), self._agent.step, module_name, type(call.module).__name__, self._share(call.module),
                trouble, perf_counter() - began, call.loader, call.rows, **vars(found),
            )
        )  # fmt: skip

    def _share(self, module: Any) -> float:
        """Of the trainable numbers that the program's models have, how many lie in this module."""
        known = self._agent.names.known() if self._agent.names is not None else []
        total = sum(parameter.numel() for _, parameter in known if parameter.requires_grad)
        own = {id(p): p for _, part in names.walk(module) for _, p in names.own_parameters(part)}
        mine = sum(parameter.numel() for parameter in own.values() if parameter.requires_grad)
        return min(1.0, mine / total) if total else 0.0


class _Unnoticed:
    """Random states, cuDNN's switch, our own hooks, and what the forward prints."""

    def __init__(self, loop: Loop, watch: Any) -> None:
        self._loop, self._watch = loop, watch

    def __enter__(self) -> None:
        torch = tensors.torch_module()
        self._random = RandomStates()
        self._cudnn = torch.backends.cudnn.enabled
        if torch.cuda.is_initialized():
            torch.backends.cudnn.enabled = False  # its recurrent kernels have no backward in eval mode
        self._streams = sys.stdout, sys.stderr
        sys.stdout = sys.stderr = io.StringIO()
        self._watch.interrupt()
        self._loop.depth += 1  # a backward in here is none of the program's

    def __exit__(self, *_exc: Any) -> None:
        self._loop.depth -= 1
        self._watch.resume()
        sys.stdout, sys.stderr = self._streams
        torch = tensors.torch_module()
        if torch.backends.cudnn.enabled != self._cudnn:
            torch.backends.cudnn.enabled = self._cudnn
        self._random.restore()


def install(agent: Agent, loop: Loop) -> None:
    """After the instruments' data probe is there; the stage's own work after a step comes after ours."""
    probe = ExtraForwards(agent, loop)
    pulls: list[bool] = []
    stage: Callable[[int], None] = agent.after_each_step or (lambda _steps: None)
    looks: list[Callable[..., None]] = []
    agent.guard(NAME, looks, probe.stepped)

    def follow_batches(_loss: Any, _series: int) -> None:
        """The data probe is made after the stage."""
        batches: Optional[Any] = data.probe_of(agent)
        if batches is not None and not pulls:
            pulls.append(True)
            agent.guard(NAME, batches.on_pull, probe.pulled)

    @functools.wraps(stage)
    def stepped(steps: int) -> None:
        for look in list(looks):
            look(steps)
        stage(steps)

    agent.after_each_step = stepped
    agent.guard(NAME, agent.before_backward, follow_batches)
