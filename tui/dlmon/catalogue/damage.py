"""Whether a manifest or the record of a rehearsal is one that dlmon wrote, and whole."""

from __future__ import annotations

import json
from pathlib import Path

from dlmon.errors import reason
from dlmon.record import layout
from dlmon.rehearsal.report import RECORD

DAMAGED = "damaged"  # the state of a run whose manifest tells nothing
_LARGEST = 16 << 20  # bytes
_EVERY = {  # every one that dlmon wrote has these
    layout.MANIFEST: ("schema", "name", "command", "created", "dlmon"),
    RECORD: ("schema", "script", "stages", "started"),
}


def trouble_of(folder: Path, name: str) -> str:
    """What is wrong with one of them in a few words, "" where nothing is. Another program may have a run.json too."""
    path = folder / name
    if path.is_symlink():
        return f"{name} is a link"
    try:
        with path.open("rb") as file:
            data = file.read(_LARGEST)
    except OSError as error:
        return f"{name}: {reason(error)}"
    if not data.strip():
        return f"{name} is empty"
    try:
        row = json.loads(data)
    except (ValueError, RecursionError):
        return f"{name} is no whole JSON"
    if not isinstance(row, dict):
        return f"{name} holds no object"
    missing = [key for key in _EVERY[name] if key not in row]
    return f"{name} is not dlmon's: no {missing[0]!r}" if missing else ""


def damage(folder: Path) -> str | None:
    """Why a folder with a manifest or a record is neither a run nor a rehearsal, "" where it is one. None without."""
    found = [trouble_of(folder, name) for name in _EVERY if (folder / name).exists() or (folder / name).is_symlink()]
    if not found:
        return None
    return "" if "" in found else found[0]
