"""Exceptions that were caught elsewhere and raised again: the loader worker's, the replica's, the spawned process's.

Their text holds the traceback of the place where it happened; that is the crash a person wants to read about.
"""

from __future__ import annotations

import os
import re
from dataclasses import replace

from dlmon_probes import events
from dlmon_probes.events import Where

_OUTER = re.compile(
    r"(?:Caught \w+ in (?P<place>[^\n]*?)\.|-- (?P<process>Process \d+) terminated with the following error:)\n"
    r"(?:Original )?Traceback \(most recent call last\):\n"
)
_FRAME = re.compile(r'^  File "(?P<file>.+)", line (?P<line>\d+), in (?P<function>.+)\n(?:    (?P<text>.*)\n)?', re.M)
_LAST = re.compile(r"^(?P<type>[A-Za-z_][\w.]*)(?:: (?P<message>.*))?\Z", re.M | re.DOTALL)
_MARK = "Traceback (most recent call last):\n"


def unwrapped(crash: events.Crash) -> tuple[events.Crash, str]:
    """The innermost failure, and where it happened ("DataLoader worker process 0"); the crash itself and ""."""
    match = _OUTER.search(crash.message)
    if match is None:
        return crash, ""
    place = match["place"] or match["process"].lower()
    body = crash.message[match.end() :].rpartition(_MARK)[2] or crash.message[match.end() :]
    frames, end = [], 0
    for found in _FRAME.finditer(body):
        where = Where(found["file"], int(found["line"]), found["function"], found["text"] or "")
        frames.append(events.Frame(where, user=_of_user(found["file"])))
        end = found.end()
    last = next(_LAST.finditer(_without_carets(body[end:])), None)
    if last is None:
        return crash, place
    inner = replace(
        crash,
        type=last["type"],
        message=(last["message"] or "").strip(),
        frames=[*crash.frames, *frames],
        module=crash.module if crash.phase != "data" else None,
    )
    return inner, place


def _without_carets(text: str) -> str:
    lines = text.strip("\n").splitlines()
    while lines and (not lines[0].strip(" ^~") or lines[0].startswith(" ")):
        lines.pop(0)
    return "\n".join(lines)


def _of_user(file: str) -> bool:
    """Told by the path alone: the file may be on another machine."""
    parts = file.replace(os.sep, "/")
    library = "/site-packages/" in parts or "/dist-packages/" in parts or re.search(r"/lib/python3[.\d]*/", parts)
    return not library and not file.startswith("<")
