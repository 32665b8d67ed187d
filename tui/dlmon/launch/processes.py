"""Process trees, as the training's stop needs them."""

from __future__ import annotations

import ctypes
import os
import signal
from collections.abc import Iterable
from pathlib import Path

from dlmon_probes.host.processes import descendants

_PR_SET_CHILD_SUBREAPER = 36


def adopt_orphans() -> bool:
    """Let orphans among this process's descendants become its children; false where the system has no such thing.

    So the supervisor sees what the training left behind, and inherits the training when its own parent is killed.
    """
    try:
        return bool(ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0)
    except (OSError, AttributeError):
        return False


def training_tree(child: int, reaper: int | None) -> list[int]:
    """Pids of the training and of everything it started, orphans included, without this process and its helpers.

    reaper: the process that adopts orphans (this one, or its parent), None without one.
    """
    me = os.getpid()
    found = {child, *descendants(child)}
    if reaper is not None:
        mine = {me, *descendants(me)} if me != reaper else {me}
        found |= set(descendants(reaper)) - (mine - found)
    found.discard(me)
    return sorted(pid for pid in found if exists(pid))


def exists(pid: int) -> bool:
    """Whether a process runs; one that has ended and was not yet waited for does not."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_bytes()
        return stat.rpartition(b")")[2].split()[0] not in (b"Z", b"X")
    except (OSError, IndexError):
        return False


def kill(pids: Iterable[int], number: signal.Signals) -> int:
    """Send a signal to each; how many it reached."""
    reached = 0
    for pid in pids:
        try:
            os.kill(pid, number)
            reached += 1
        except (ProcessLookupError, PermissionError):
            continue
    return reached
