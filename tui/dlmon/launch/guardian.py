"""A second pair of hands: when the supervisor is killed, its parent goes on in its place.

The guardian opens nothing and does nothing but wait. It holds the terminal's master side, so the training gets no
hang-up, and it is the process that adopts orphans (a "child subreaper"), so it can still wait for the training and
learn its exit code. Its memory is shared with the supervisor, which it forked.
"""

from __future__ import annotations

import mmap
import os
import signal
import struct
from collections.abc import Callable

from dlmon.launch import processes

_FIELDS = struct.Struct("=qd")


class Ward:
    """What supervisor and guardian both know, in shared memory: the training's pid (0: not started) and start time."""

    def __init__(self) -> None:
        self._shared = mmap.mmap(-1, _FIELDS.size)
        self.guarded = False
        self.waited: dict[int, int] = {}  # wait status of what the guardian reaped

    @property
    def child(self) -> int:
        return int(_FIELDS.unpack_from(self._shared)[0])

    @child.setter
    def child(self, pid: int) -> None:
        _FIELDS.pack_into(self._shared, 0, pid, self.started)

    @property
    def started(self) -> float:
        return float(_FIELDS.unpack_from(self._shared)[1])

    @started.setter
    def started(self, t: float) -> None:
        _FIELDS.pack_into(self._shared, 0, self.child, t)

    def wait(self, *, adopted: bool) -> int | None:
        """The training's wait status once it has ended, None before. adopted: orphans are reaped along the way."""
        pid = self.child
        if pid in self.waited:
            return self.waited[pid]
        try:
            if not adopted:
                ended, status = os.waitpid(pid, os.WNOHANG)
                return status if ended else None
            while True:
                ended, status = os.waitpid(-1, os.WNOHANG)
                if not ended:
                    return None
                if ended == pid:
                    return status
        except ChildProcessError:
            # Not ours to wait for (no subreaper on this system): gone without a code.
            return None if processes.exists(pid) else signal.SIGHUP


def guard(supervise: Callable[[], None], take_over: Callable[[], None], let_go: Callable[[], None], ward: Ward) -> int:
    """Fork; `supervise` runs in the child. Here: `let_go` of what only the child needs, wait, and `take_over` if the
    child dies before its work is done. Returns an exit code, in the parent only."""
    ward.guarded = processes.adopt_orphans()
    supervisor = os.fork()
    if not supervisor:
        code = 1
        try:
            supervise()
            code = 0
        except BaseException:
            import traceback

            traceback.print_exc()
            raise
        finally:
            os._exit(code)
    let_go()
    for number in (signal.SIGINT, signal.SIGTERM):  # they are meant for the supervisor
        signal.signal(number, signal.SIG_IGN)
    status = _wait_for(supervisor, ward)
    if status != 0 and ward.child:
        take_over()
        return 0
    return os.waitstatus_to_exitcode(status)


def _wait_for(supervisor: int, ward: Ward) -> int:
    """The supervisor's wait status. Orphans of the training are reaped meanwhile."""
    while True:
        try:
            pid, status = os.waitpid(-1, 0)
        except ChildProcessError:
            return 1
        if pid == supervisor:
            return status
        if pid == ward.child:
            ward.waited[pid] = status
