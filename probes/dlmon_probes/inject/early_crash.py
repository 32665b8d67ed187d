"""A program that fails before torch is there: a package that is not installed, a file that is not found.

Nothing watches such a process yet, and nothing is hooked: the interpreter keeps the exception it printed, and this
looks at it once when the process leaves. Only the program that was started is looked at: its helpers may fail as they
like.
"""

from __future__ import annotations

import atexit
import json
import os
import socket
import sys
import time
from typing import Any

MOST_TEXT = 8_000
MOST_FRAMES = 40


def watch(run: str) -> None:
    """Look at the end of this process, if dlmon's supervisor started it."""
    atexit.register(_at_exit, run, os.getpid())


def _at_exit(run: str, pid: int) -> None:
    try:
        error = getattr(sys, "last_value", None)
        known = "dlmon_probes.training.install" in sys.modules  # then the agent tells it, with the tensors in sight
        if isinstance(error, Exception) and not known and os.getpid() == pid and _is_the_program(run):
            _tell(run, error)
    except Exception:
        if os.environ.get("DLMON_DEBUG"):
            raise


def _is_the_program(run: str) -> bool:
    with open(os.path.join(run, "run.json"), encoding="utf-8") as file:
        return bool(json.load(file).get("supervisor_pid") == os.getppid())


def _tell(run: str, error: Exception) -> None:
    from dlmon_probes import events
    from dlmon_probes.training import callsite
    from dlmon_probes.training.channel import encode

    frames, trace = [], getattr(sys, "last_traceback", None)
    while trace is not None:
        code = trace.tb_frame.f_code
        if not code.co_filename.startswith("<frozen"):
            user = callsite.is_user_code(code)
            frames.append(events.Frame(callsite.place(code, trace.tb_lineno), user))
        trace = trace.tb_next
    now, main = time.time(), getattr(sys.modules.get("__main__"), "__file__", None)
    lines: list[Any] = [
        events.Hello(
            t=now, schema=events.SCHEMA, role="rank", pid=os.getpid(), host=socket.gethostname(), ppid=os.getppid(),
            python=sys.version.split()[0], argv=list(sys.argv), cwd=os.getcwd(), main=main or "",
        ),
        events.Crash(
            t=now, step=0, type=_name_of(type(error)), message=str(error)[:MOST_TEXT], frames=frames[-MOST_FRAMES:],
        ),
    ]  # fmt: skip
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC  # a process that trained has told more
    descriptor = os.open(os.path.join(run, "rank0.jsonl"), flags, 0o600)
    try:
        os.write(descriptor, b"".join(encode(line) for line in lines))
    finally:
        os.close(descriptor)


def _name_of(cls: type) -> str:
    return cls.__qualname__ if cls.__module__ in ("builtins", "__main__") else f"{cls.__module__}.{cls.__qualname__}"
