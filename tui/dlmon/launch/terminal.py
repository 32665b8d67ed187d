"""Pseudo-terminals and their sizes."""

from __future__ import annotations

import fcntl
import os
import pty
import struct
import termios

DEFAULT_SIZE = (24, 80)  # rows, columns


def size_here() -> tuple[int, int]:
    """(rows, columns) of the terminal that dlmon was started in; without one, of LINES and COLUMNS, or 24 × 80."""
    for fd in (1, 2, 0):
        try:
            columns, rows = os.get_terminal_size(fd)
        except OSError:
            continue
        if rows > 0 and columns > 0:
            return rows, columns
    return _whole("LINES", DEFAULT_SIZE[0]), _whole("COLUMNS", DEFAULT_SIZE[1])


def _whole(variable: str, default: int) -> int:
    text = os.environ.get(variable, "")
    return int(text) if text.isdecimal() and 0 < int(text) < 10_000 else default


def open_pair(rows: int, columns: int) -> tuple[int, int]:
    """(master, slave) of a new pseudo-terminal of that size. Raises OSError."""
    master, slave = pty.openpty()
    set_size(slave, rows, columns)
    os.set_blocking(master, False)
    return master, slave


def set_size(fd: int, rows: int, columns: int) -> None:
    """The kernel tells the foreground group by SIGWINCH. Raises OSError."""
    fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))


def foreground_group(master: int) -> int | None:
    """The process group that Ctrl-C would reach; None where there is none (any more)."""
    try:
        group = struct.unpack("i", fcntl.ioctl(master, termios.TIOCGPGRP, b"\0\0\0\0"))[0]
    except OSError:
        return None
    return group if group > 1 else None


def take_as_controlling(slave: int) -> None:
    """Make `slave` the controlling terminal of this process, in a session of its own, and its stdout and stderr.

    For a child between fork and exec. Raises OSError.
    """
    os.setsid()
    fcntl.ioctl(slave, termios.TIOCSCTTY, 0)
    os.dup2(slave, 1)
    os.dup2(slave, 2)


def is_terminal(fd: int) -> bool:
    try:
        return os.isatty(fd)
    except OSError:
        return False
