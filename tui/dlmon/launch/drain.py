"""The training's terminal, from the supervisor's side: what it prints goes to disk, what is typed goes in.

A terminal that nobody reads stalls whoever prints on it, so reading comes before anything else.
"""

from __future__ import annotations

import os
import time

from dlmon.launch import terminal
from dlmon.launch.recorder import OutputLog

QUIET_SECONDS = 0.3  # silence after which a terminal that something still holds open counts as read to its end
LONGEST_SECONDS = 5.0
_READ = 1 << 16
_TURN = 1 << 20  # bytes before anything else gets its turn
_MOST_TYPED = 1 << 16


class Drain:
    """Reads `master`, which does not block. typed: what the training has not taken yet."""

    def __init__(self, master: int, output: OutputLog) -> None:
        self.master = master
        self.typed = b""
        self._output = output

    def read(self) -> bool | None:
        """What there is to disk, 1 MiB at most; None once nobody has the other side open any more."""
        self._push()
        parts: list[bytes] = []
        size, open_still = 0, True
        while size < _TURN:
            try:
                data = os.read(self.master, _READ)
            except BlockingIOError:
                break
            except OSError:  # EIO: the other side is closed
                data = b""
            if not data:
                open_still = False
                break
            parts.append(data)
            size += len(data)
        if parts:
            self._output.write(b"".join(parts))
        return True if open_still else None

    def finish(self) -> None:
        """What was printed before the end; something that the training left running may hold the terminal open."""
        began = quiet = time.monotonic()
        while time.monotonic() - quiet < QUIET_SECONDS and time.monotonic() - began < LONGEST_SECONDS:
            before = self._output.offset
            if self.read() is None:
                return
            if self._output.offset != before:
                quiet = time.monotonic()
            else:
                time.sleep(0.01)

    def type(self, data: bytes) -> None:
        """Type into the terminal; 64 KiB are kept while the training does not read, the rest is dropped."""
        self.typed = (self.typed + data)[:_MOST_TYPED]
        self._push()

    def _push(self) -> None:
        try:
            self.typed = self.typed[os.write(self.master, self.typed) :] if self.typed else b""
        except BlockingIOError:
            return
        except OSError:
            self.typed = b""

    def resize(self, rows: int, columns: int) -> None:
        try:
            terminal.set_size(self.master, rows, columns)
        except OSError:
            return
