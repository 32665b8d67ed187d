"""The training process: its environment and its start on a pseudo-terminal."""

from __future__ import annotations

import os
import signal
from collections.abc import Mapping, Sequence
from pathlib import Path

import dlmon_probes
from dlmon.errors import reason
from dlmon.launch import terminal

PROBES = Path(dlmon_probes.__file__).resolve().parent
BOOTSTRAP = PROBES / "inject" / "bootstrap"

CANNOT_EXECUTE, NOT_FOUND = 126, 127  # as a shell says it

# Python ignores the first two and the supervisor SIGHUP; a shell that starts dlmon in the background ignores SIGINT,
# which would leave a training that cannot be asked to stop.
_RESTORED = (
    signal.SIGPIPE,
    signal.SIGXFSZ,
    signal.SIGHUP,
    signal.SIGINT,
    signal.SIGQUIT,
    signal.SIGTERM,
    signal.SIGCHLD,
)


def environment(base: Mapping[str, str], folder: Path, overhead: float, started: float) -> dict[str, str]:
    """The child's environment: the user's own, and what brings in the probes. started: unix seconds."""
    child = dict(base)
    theirs = child.get("PYTHONPATH")
    child["PYTHONPATH"] = os.pathsep.join([str(BOOTSTRAP), theirs]) if theirs else str(BOOTSTRAP)
    child["DLMON_RUN"] = str(folder)
    child["DLMON_PROBES"] = str(PROBES)
    child["DLMON_OVERHEAD"] = repr(overhead)
    child["DLMON_STARTED"] = repr(started)
    return child


def start(command: Sequence[str], env: Mapping[str, str], slave: int, *, keep_stdin: bool) -> int:
    """Fork and execute; the child's pid. It leads its own session with the terminal as its controlling one.

    keep_stdin: its stdin stays this process's (a pipe or file that the user gave), else it is the terminal.
    A command that cannot be executed says so on the terminal and ends with 126 or 127.
    """
    pid = os.fork()
    if pid:
        return pid
    try:
        terminal.take_as_controlling(slave)
        if not keep_stdin:
            os.dup2(slave, 0)
        for number in _RESTORED:
            signal.signal(number, signal.SIG_DFL)
        signal.set_wakeup_fd(-1)
        os.execvpe(command[0], list(command), dict(env))
    except OSError as error:
        os.write(2, f"dlmon: cannot start {command[0]}: {reason(error)}\n".encode())
        os._exit(NOT_FOUND if isinstance(error, FileNotFoundError) else CANNOT_EXECUTE)
    finally:
        os._exit(CANNOT_EXECUTE)
