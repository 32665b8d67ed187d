"""The stacks of all threads: at a fatal signal, and when a screen asks (a hang). Into a file of the run folder."""

from __future__ import annotations

import faulthandler
import os
import time
from typing import Optional

from dlmon_probes import control
from dlmon_probes.training.agent import Agent


class Stacks:
    """The file `stacks-<pid>.txt`. It is made when the process trains, and removed at the end if nothing came."""

    def __init__(self, agent: Agent) -> None:
        self._agent = agent
        self._fd: Optional[int] = None
        self._pid = 0
        self._asked = agent.page.read(control.STACKS_REQUEST)
        self._enabled = False
        self._path = ""

    def started(self) -> None:
        self._pid = os.getpid()
        self._path = os.path.join(self._agent.run, f"stacks-{self._pid}.txt")
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
        self._fd = os.open(self._path, flags, 0o600)
        if not faulthandler.is_enabled():  # the user's own goes where the user wants it
            faulthandler.enable(self._fd)
            self._enabled = True

    def look(self) -> None:
        """Called by the writing thread: it can answer while the program's own threads hang."""
        asked = self._agent.page.read(control.STACKS_REQUEST)
        if asked == self._asked or self._fd is None or os.getpid() != self._pid:
            return
        self._asked = asked
        moment = time.strftime("%Y-%m-%d %H:%M:%S")
        os.write(self._fd, f"==== {moment} process {self._pid}, step {self._agent.step}\n".encode())
        faulthandler.dump_traceback(self._fd, all_threads=True)

    def ending(self) -> None:
        if self._fd is None or os.getpid() != self._pid:
            return
        if os.fstat(self._fd).st_size == 0:
            if self._enabled:
                faulthandler.disable()
                self._enabled = False
            os.unlink(self._path)


def install(agent: Agent) -> None:
    stacks = Stacks(agent)
    agent.guard("stacks", agent.started, stacks.started)
    agent.guard("stacks", agent.ending, stacks.ending)
    agent.channel.add_source("stacks", stacks.look)
