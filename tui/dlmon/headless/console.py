"""Where a run without a screen writes: data to stdout, narration to stderr."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable

PREFIX = "dlmon: "


class Console:
    """stdout and stderr that may go away: a reader that leaves (`| head`) must not end the run that is followed."""

    def __init__(self) -> None:
        self.broken = False

    def data(self, lines: Iterable[str]) -> None:
        """Lines for stdout, each without its newline."""
        text = "".join(f"{line}\n" for line in lines)
        if text:
            self.raw(text.encode("utf-8", "replace"))

    def raw(self, data: bytes) -> None:
        """Bytes for stdout as they are."""
        if self.broken:
            return
        try:
            sys.stdout.buffer.write(data)
            sys.stdout.buffer.flush()
        except (BrokenPipeError, ValueError):
            self.broken = True
            forget_stdout()

    def say(self, lines: Iterable[str]) -> None:
        """Lines for stderr, each with the prefix."""
        text = "".join(f"{PREFIX}{line}\n" for line in lines)
        try:
            sys.stderr.write(text)
            sys.stderr.flush()
        except (OSError, ValueError):
            return


def forget_stdout() -> None:
    """Let the interpreter's own flush at exit go nowhere."""
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 1)
    os.close(null)
