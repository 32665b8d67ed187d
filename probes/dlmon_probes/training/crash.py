"""The exception that ends the process: told with the shapes in sight, then printed as it would have been without us."""

from __future__ import annotations

import atexit
import os
import sys
import time
from types import TracebackType
from typing import Any, Callable, Optional

from dlmon_probes import events
from dlmon_probes.events_machine import LastBatch
from dlmon_probes.training import callsite, crash_facts, data, stacks, structures, traces
from dlmon_probes.training.agent import Agent
from dlmon_probes.training.loop import Loop

MOST_TEXT = 8_000
LAUNCHERS = ("torch.distributed.elastic", "torch.distributed.run", "torch.distributed.launch")


class CrashProbe:
    """Writes the Crash event, once."""

    def __init__(self, agent: Agent) -> None:
        self._agent = agent
        self._done = False

    def crashed(self, error: BaseException, trace: Optional[TracebackType]) -> None:
        """An uncaught exception. Out of memory must not keep the facts from being written: they are few and plain."""
        if self._done or isinstance(error, (KeyboardInterrupt, SystemExit)):
            return
        self._done = True
        frames = crash_facts.frames_of(trace)
        agent = self._agent
        if not agent.training:
            if not _is_program(error, frames):
                return
            agent.begin()
        if agent.names is not None and not agent.names.roots():
            try:
                agent.names.scan(frames[-1][0] if frames else None, None)
            except Exception as problem:
                agent.report("names", problem)
        event = self._event(error, frames)
        agent.emit(event)
        if "device-side assert" in event.message:
            try:
                self._tell_last_batch()
            except Exception as problem:
                agent.report("crash", problem)
        agent.channel.flush()

    def _tell_last_batch(self) -> None:
        """The failed device cannot be asked any more; the batch as the loader gave it often still lies on the host."""
        probe = data.probe_of(self._agent)
        last = probe.last_batch() if probe is not None else None
        if last is None:
            return
        measuring = crash_facts.Measuring()
        found = [measuring.named(leaf.path, leaf.tensor) for leaf in structures.leaves(last[1])]
        self._agent.emit(LastBatch(time.time(), self._agent.step, last[0], found))

    def _event(self, error: BaseException, frames: Any) -> events.Crash:
        agent = self._agent
        measuring = crash_facts.Measuring()
        return events.Crash(
            t=time.time(), step=agent.step, type=_name_of(type(error)), message=_text(error),
            module=crash_facts.failing_module(agent, frames, measuring),
            frames=crash_facts.describe(frames, measuring), phase=crash_facts.phase_of(agent, frames),
            notes=[str(note)[:MOST_TEXT] for note in getattr(error, "__notes__", [])][:8],
        )  # fmt: skip

    def ending(self) -> None:
        """A program that has its own excepthook ended by an exception: the interpreter remembers it."""
        error = getattr(sys, "last_value", None)
        if isinstance(error, BaseException):
            self.crashed(error, getattr(sys, "last_traceback", None))


def _is_program(error: BaseException, frames: Any) -> bool:
    """Whether this process was going to train, rather than a launcher, a loader's worker or a compiler's."""
    if type(error).__module__.startswith(LAUNCHERS):
        return False
    multiprocessing = sys.modules.get("multiprocessing")
    child = multiprocessing is not None and multiprocessing.parent_process() is not None
    if child and "RANK" not in os.environ:
        return False
    return any(callsite.is_user_code(frame.f_code) for frame, _ in frames)


def _name_of(cls: type) -> str:
    return cls.__qualname__ if cls.__module__ in ("builtins", "__main__") else f"{cls.__module__}.{cls.__qualname__}"


def _text(error: BaseException) -> str:
    try:
        text = str(error)
    except Exception:
        text = "(its text could not be made)"
    return text if len(text) <= MOST_TEXT else f"{text[: MOST_TEXT // 2]}\n…\n{text[-MOST_TEXT // 2 :]}"


def _at_exit(agent: Agent, probe: CrashProbe) -> None:
    """For a program that failed before it trained: nobody ends its log but we."""
    try:
        if not agent.training:
            probe.ending()
    except Exception as problem:
        agent.report("crash", problem)


Hook = Callable[[type[BaseException], BaseException, Optional[TracebackType]], Any]


def install(agent: Agent, _loop: Loop) -> None:
    probe = CrashProbe(agent)
    original: Hook = sys.excepthook

    def excepthook(kind: type[BaseException], error: BaseException, trace: Optional[TracebackType]) -> Any:
        try:
            trace = traces.without_probes(trace)
            traces.clean(error)
            probe.crashed(error, trace)
        except Exception as problem:
            agent.report("crash", problem)
        return original(kind, error, trace)

    sys.excepthook = excepthook
    agent.guard("crash", agent.ending, probe.ending)
    atexit.register(_at_exit, agent, probe)
    stacks.install(agent)
