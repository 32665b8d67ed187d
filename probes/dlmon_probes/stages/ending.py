"""How a stage ends the script: by an exception from a hook, by leaving the process where that was swallowed."""

from __future__ import annotations

import os
import sys
import threading
import time
from typing import Callable, NoReturn

from dlmon_probes import control, events
from dlmon_probes.stages.plan import Plan
from dlmon_probes.training.agent import Agent
from dlmon_probes.training.process_group import rank_and_world

AHEAD = 2  # steps between rank 0's decision and the end: a rank is at most one step ahead of another


DRIVER_SECONDS = 1.0  # between looks whether the one who wants the verdict is still there


class StageEnd(SystemExit):
    """The stage has what it needs. A SystemExit: not caught by `except Exception`, ends quietly with code 0, and
    frameworks tear down on it."""


class Ending:
    """Ends the script once. `look` is to be called wherever the script passes by after that."""

    def __init__(self, agent: Agent, plan: Plan) -> None:
        self._agent = agent
        self._plan = plan
        self.ended = False
        self.before: list[Callable[[], None]] = []  # what is to be told before the end
        self._looked = time.monotonic()

    def end(self, reason: str, detail: str = "") -> None:
        """End the script now; with several ranks, all of them at the same step, soon. May raise StageEnd."""
        rank, world = _group()
        if world <= 1:
            self._leave(reason, detail)
        if rank == 0 and not self._agent.page.read(control.END_AT):
            self._agent.page.write(control.END_AT, self._agent.step + AHEAD)
            self._note(reason, detail)

    def look(self) -> None:
        """The script passes by a hook: end it if it is time to, or if it swallowed the end."""
        if self.ended:
            self._exit()
        at = self._agent.page.read(control.END_AT)
        if at and self._agent.step >= at:
            self._leave("steps", "all ranks at once")
        if self._plan.leave and time.monotonic() - self._looked > DRIVER_SECONDS:
            self._looked = time.monotonic()
            if not alive(self._plan.driver):
                self._leave("alone", "the rehearsal that wanted this stage is gone")

    def _note(self, reason: str, detail: str) -> None:
        agent = self._agent
        agent.emit(events.Stage(time.time(), self._plan.name, "end", agent.step, reason, detail))

    def _leave(self, reason: str, detail: str) -> NoReturn:
        if self.ended:
            self._exit()
        self.ended = True
        for tell in self.before:
            try:
                tell()
            except Exception as error:
                self._agent.report("stage", error)
        self._note(reason, detail)
        self._agent.channel.flush()
        if threading.current_thread() is not threading.main_thread():
            self._exit()  # the exception would end this thread and nothing else
        raise StageEnd(0)

    def _exit(self) -> NoReturn:
        """Leave without asking the script: it caught the exception and went on."""
        for stream in (sys.stdout, sys.stderr):
            try:
                stream.flush()
            except Exception:
                pass
        self._agent.leave()
        os._exit(0)


def alive(pid: int) -> bool:
    """Whether a process of this machine is there; true where there is none to ask for."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True


def _group() -> tuple[int, int]:
    """(rank, processes that train together): of the process group, else as the launcher's environment tells."""
    group = rank_and_world()
    if group is not None:
        return group
    rank, world = os.environ.get("RANK", ""), os.environ.get("WORLD_SIZE", "")
    return int(rank) if rank.isdigit() else 0, int(world) if world.isdigit() else 1
