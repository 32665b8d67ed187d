"""Which runs may be removed, and their removal. In doubt a run stays."""

from __future__ import annotations

import json
import os
import shutil
import stat
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from dlmon.catalogue.rows import Row, size_on_disk
from dlmon.errors import reason
from dlmon.record import layout
from dlmon.record.manifest import read_manifest
from dlmon.rehearsal.report import RECORD, read_record
from dlmon.runs import Run

RECENT = 600.0  # seconds: a run without an outcome that was written to so lately may go on unseen
RECENT_ELSEWHERE = 86400.0  # of a run on another host, whose processes cannot be asked after

_OURS = frozenset({"schema", "name", "command", "created", "dlmon"})  # every manifest that dlmon wrote has them
_OUR_RECORD = frozenset({"schema", "script", "stages", "started"})
_LARGEST = 16 << 20  # bytes of a manifest


@dataclass(frozen=True)
class Candidate:
    """A run that was meant. spared: why it stays, "" where it may go."""

    row: Row
    size: int
    spared: str = ""


def plan(rows: Iterable[Row], *, keep: int = 0, now: float | None = None) -> list[Candidate]:
    """What would happen to these rows, oldest first. keep: so many of the newest that could go are spared."""
    moment = time.time() if now is None else now
    oldest_first = sorted(rows, key=lambda row: (row.created or 0.0, row.name))
    found = [Candidate(row, size_on_disk(Path(row.folder)), why_not(Path(row.folder), moment)) for row in oldest_first]
    free = [place for place, candidate in enumerate(found) if not candidate.spared]
    for place in free[len(free) - keep :] if keep > 0 else []:
        found[place] = Candidate(found[place].row, found[place].size, f"one of the newest {keep}")
    return found


def why_not(folder: Path, now: float) -> str:
    """Why a folder must stay; "" where it is a run or a rehearsal of ours that is over."""
    try:
        status = folder.lstat()
    except OSError as error:
        return f"cannot be looked at: {reason(error)}"
    if stat.S_ISLNK(status.st_mode):
        return "a link, not a folder"
    if not stat.S_ISDIR(status.st_mode):
        return "no folder"
    if _has(folder / layout.MANIFEST, _OURS):
        return _run_goes_on(folder, now)
    if _has(folder / RECORD, _OUR_RECORD):
        return _rehearsal_goes_on(folder, now)
    return "not a run of dlmon"


def remove(folder: Path, now: float | None = None) -> str:
    """Remove a run. Looks once more whether it may go; why it stays or what failed, "" when it is gone."""
    spared = why_not(folder, time.time() if now is None else now)
    if spared:
        return spared
    try:
        shutil.rmtree(folder)  # does not follow links inside of it
    except OSError as error:
        return f"could not be removed: {error.filename or folder}: {reason(error)}"
    return ""


def _run_goes_on(folder: Path, now: float) -> str:
    manifest = read_manifest(folder)
    if manifest is None:
        return "its manifest cannot be read"
    if manifest.outcome is not None:
        return ""
    elsewhere = manifest.host not in ("", os.uname().nodename)
    if not elsewhere and not Run(folder, manifest).over:
        return "it goes on"
    silent = now - max((_modified(path) for path in _logs(folder)), default=manifest.created or 0.0)
    if silent < (RECENT_ELSEWHERE if elsewhere else RECENT):
        return f"it may go on{f' on {manifest.host}' if elsewhere else ''}: it was written to lately"
    return ""


def _rehearsal_goes_on(folder: Path, now: float) -> str:
    record = read_record(folder)
    if record is None:
        return "its record cannot be read"
    for run in _runs_in(folder):
        spared = _run_goes_on(run, now)
        if spared:
            return f"its stage {run.name}: {spared}"
    if record.going is not None and now - _modified(folder / RECORD) < RECENT_ELSEWHERE:
        return f"its stage {record.going[0]} was begun and not judged"
    if now - _modified(folder / RECORD) < RECENT:
        return f"written to in the last {RECENT / 60:.0f} min: a screen may still step through it"
    return ""


def _runs_in(folder: Path) -> Iterator[Path]:
    return (path.parent for path in folder.glob(f"*/{layout.MANIFEST}") if not path.parent.is_symlink())


def _logs(folder: Path) -> Sequence[Path]:
    return [folder / name for name in layout.log_files(folder)]


def _modified(path: Path) -> float:
    try:
        return path.lstat().st_mtime
    except OSError:
        return 0.0


def _has(path: Path, keys: frozenset[str]) -> bool:
    """Whether a JSON file that is no link has these keys: another program may have a run.json of its own."""
    try:
        if path.is_symlink():
            return False
        with path.open("rb") as file:
            row = json.loads(file.read(_LARGEST))
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(row, dict) and keys <= row.keys()
