"""The Python stack that faulthandler left in the run's folder when a process died below Python."""

from __future__ import annotations

import re
from pathlib import Path

from dlmon_probes.events import Where

LONGEST = 1 << 16  # bytes looked at of one file
MOST_FILES = 64
_FRAME = re.compile(r'^  File "([^"\n]+)", line (\d{1,9}) in ([^\n]*)$', re.MULTILINE)
_NOT_OF_USER = re.compile(r"[\\/](?:site-packages|dist-packages|dlmon_probes|lib[\\/]python\d[\d.]*)[\\/]|^<")


def fatal_line(folder: Path) -> Where | None:
    """The innermost line of the user's own code in the thread that failed; None where no stack was left."""
    for path in sorted(folder.glob("stacks-*.txt"))[:MOST_FILES]:
        try:
            with path.open("rb") as file:
                told = file.read(LONGEST).decode("utf-8", "replace")
        except OSError:
            continue
        found = _line_in(told)
        if found is not None:
            return found
    return None


def _line_in(told: str) -> Where | None:
    _, fatal, rest = told.partition("Fatal Python error:")
    _, current, stack = rest.partition("Current thread ")
    if not fatal or not current:
        return None
    block = stack.split("\n\n", 1)[0]  # most recent call first
    frames = (Where(file, int(line), function) for file, line, function in _FRAME.findall(block))
    return next((where for where in frames if not _NOT_OF_USER.search(where.file)), None)
