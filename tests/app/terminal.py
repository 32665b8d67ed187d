"""`dlmon` on a terminal of its own: keys in, the screen as text out."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import sys
import termios
import time
from pathlib import Path

import pyte

from tests.support import DEADLINE, environment


class Terminal:
    """One command on a pseudo-terminal. `hang_up` is what a lost connection does."""

    def __init__(self, cwd: Path, *args: str, rows: int = 24, columns: int = 80) -> None:
        self._screen = pyte.Screen(columns, rows)
        self._stream = pyte.ByteStream(self._screen)
        self.raw = b""
        self._fd, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        env = environment(TERM="xterm-256color", COLORTERM="truecolor")
        # A session with the terminal as its own, so that hanging up reaches it as it would over SSH.
        take = (
            "import fcntl, os, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); os.execv(sys.argv[1], sys.argv[1:])"
        )
        self.process = subprocess.Popen(
            [sys.executable, "-c", take, sys.executable, "-m", "dlmon", *args],
            cwd=cwd, env=env, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True,
        )  # fmt: skip
        os.close(theirs)

    def press(self, keys: str) -> None:
        os.write(self._fd, keys.encode())

    def modes(self) -> list[object]:
        """How the terminal treats keys and output (`stty`), to be compared."""
        return termios.tcgetattr(self._fd)

    def resize(self, rows: int, columns: int) -> None:
        fcntl.ioctl(self._fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        self._screen.resize(rows, columns)

    def text(self) -> str:
        return "\n".join(row.rstrip() for row in self._screen.display)

    def until(self, pattern: str) -> str:
        """The screen once it shows `pattern` (a regular expression)."""
        end = time.monotonic() + DEADLINE
        while time.monotonic() < end:
            alive = self._read()
            if re.search(pattern, self.text(), re.MULTILINE):
                return self.text()
            if not alive:
                break
        raise AssertionError(f"waited for {pattern!r} in vain; the screen shows\n{self.text()}")

    def _read(self) -> bool:
        """What comes within a tenth of a second; false at the end."""
        if not select.select([self._fd], [], [], 0.1)[0]:
            return self.process.poll() is None
        try:
            data = os.read(self._fd, 65536)
        except OSError:
            return False
        self.raw += data
        self._stream.feed(data)
        return bool(data)

    def wait(self) -> int:
        """The exit code, with everything that is still said read."""
        while self._read():
            pass
        return self.process.wait(DEADLINE)

    def hang_up(self) -> None:
        os.close(self._fd)
        self.process.wait(DEADLINE)

    def clean_up(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
