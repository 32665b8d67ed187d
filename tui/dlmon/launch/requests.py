"""What screens ask of a run's supervisor: stop, send a signal, resize the terminal, type something.

A named pipe in the run folder, one JSON object a line: `{"op": "stop", "by": "the screen"}`. No port, no lock:
a write of at most PIPE_BUF bytes arrives in one piece, so any number of screens may ask at once; and opening the pipe
fails at once when no supervisor reads it, which is also how one sees that a run is not supervised any more (a process
id may long belong to another program).
"""

from __future__ import annotations

import base64
import errno
import json
import os
import select
import stat
from pathlib import Path
from typing import Any

from dlmon.errors import UserError, reason

NAME = "requests"
STOP, SIGNAL, RESIZE, TYPE = "stop", "signal", "resize", "type"
GRACE_SECONDS = 10.0  # programs evaluate, save and tear down after Ctrl-C

_MOST_TYPED = select.PIPE_BUF // 2  # base64 and the object around it stay below PIPE_BUF
_FORWARDED = frozenset({"INT", "TERM", "QUIT", "HUP", "USR1", "USR2", "CONT", "KILL"})


def create(folder: Path) -> int | None:
    """Make the pipe and open it for reading; the descriptor, or None where the file system has no named pipes.

    It is opened for writing too, so that it never reports its end when a screen leaves.
    """
    path = folder / NAME
    try:
        os.mkfifo(path, 0o600)
        return os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return None


def supervised(folder: Path) -> bool:
    """Whether a supervisor on this machine listens to the run in `folder`."""
    try:
        os.close(_open(folder))
    except OSError:
        return False
    return True


def stop(folder: Path, *, grace: float = GRACE_SECONDS, by: str = "the screen") -> None:
    """Ask for SIGINT, after `grace` seconds SIGTERM, after as many again SIGKILL. Returns at once.

    Raises UserError when nothing supervises the run.
    """
    send(folder, {"op": STOP, "grace": grace, "by": by})


def send_signal(folder: Path, name: str, *, by: str = "the screen") -> None:
    """Pass a signal on to the training; name without "SIG". INT goes to its foreground group, as Ctrl-C would."""
    send(folder, {"op": SIGNAL, "signal": name, "by": by})


def resize(folder: Path, rows: int, columns: int) -> None:
    """Give the training's terminal another size, in characters. With several screens the last one counts."""
    send(folder, {"op": RESIZE, "rows": rows, "columns": columns})


def type_input(folder: Path, data: bytes) -> None:
    """Type bytes into the training's terminal."""
    for start in range(0, len(data), _MOST_TYPED):
        part = data[start : start + _MOST_TYPED]
        send(folder, {"op": TYPE, "data": base64.b64encode(part).decode("ascii")})


def send(folder: Path, request: dict[str, Any]) -> None:
    """Write one request. Raises UserError when nobody reads it or the pipe stays full."""
    line = json.dumps(request, separators=(",", ":")).encode("ascii") + b"\n"
    try:
        fd = _open(folder)
    except OSError as error:
        if error.errno in (errno.ENXIO, errno.ENOENT):
            raise UserError(f"{folder.name} is not supervised any more: nothing there can be asked for") from None
        raise UserError(f"cannot reach the supervisor of {folder.name}: {reason(error)}") from None
    try:
        os.write(fd, line)
    except OSError as error:
        raise UserError(f"the supervisor of {folder.name} does not answer: {reason(error)}") from None
    finally:
        os.close(fd)


def _open(folder: Path) -> int:
    """The pipe's writing end. Raises OSError: ENXIO when nobody reads, ENOENT when it is missing or no pipe."""
    fd = os.open(folder / NAME, os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    if not stat.S_ISFIFO(os.fstat(fd).st_mode):
        os.close(fd)
        raise OSError(errno.ENOENT, "no named pipe")
    return fd


class Inbox:
    """The supervisor's end: bytes in, well-formed requests out. Anything else is dropped."""

    def __init__(self, fd: int) -> None:
        self.fd = fd
        self._rest = b""

    def read(self) -> list[dict[str, Any]]:
        """All whole requests that have arrived."""
        try:
            data = self._rest + os.read(self.fd, 1 << 16)
        except BlockingIOError:
            return []
        *lines, rest = data.split(b"\n")
        self._rest = rest if len(rest) <= select.PIPE_BUF else b""
        return [request for line in lines if (request := parse(line)) is not None]


def parse(line: bytes) -> dict[str, Any] | None:
    """A request with checked fields (`data` as bytes), None for anything else."""
    try:
        row = json.loads(line)
        op = row["op"]
        if op == STOP:
            grace = float(row.get("grace", GRACE_SECONDS))
            return {"op": op, "grace": grace if 0 <= grace <= 3600 else GRACE_SECONDS, "by": str(row.get("by", ""))}
        if op == SIGNAL and row["signal"] in _FORWARDED:
            return {"op": op, "signal": row["signal"], "by": str(row.get("by", ""))}
        if op == RESIZE and 0 < int(row["rows"]) < 10_000 and 0 < int(row["columns"]) < 10_000:
            return {"op": op, "rows": int(row["rows"]), "columns": int(row["columns"])}
        if op == TYPE:
            return {"op": op, "data": base64.b64decode(row["data"], validate=True)}
    except (ValueError, KeyError, TypeError, RecursionError, OverflowError):
        pass
    return None
