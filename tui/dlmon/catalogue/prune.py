"""Which runs may be removed, and their removal. In doubt a run stays."""

from __future__ import annotations

import os
import shutil
import stat
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from dlmon.catalogue.belongings import NOTHING, Foreign, foreign
from dlmon.catalogue.damage import damage, trouble_of
from dlmon.catalogue.rows import Row, size_on_disk
from dlmon.errors import reason
from dlmon.record import layout
from dlmon.record.manifest import read_manifest
from dlmon.rehearsal.report import RECORD, read_record
from dlmon.runs import Run

RECENT = 600.0  # seconds: a run without an outcome that was written to so lately may go on unseen
RECENT_ELSEWHERE = 86400.0  # of a run on another host, whose processes cannot be asked after


@dataclass(frozen=True)
class Candidate:
    """A run that was meant. spared: why it stays, "" where it may go. foreign: what else would go with it."""

    row: Row
    size: int
    spared: str = ""
    foreign: Foreign = NOTHING


def plan(rows: Iterable[Row], *, keep: int = 0, now: float | None = None, by_name: bool = False) -> list[Candidate]:
    """What would happen to these rows, oldest first.

    keep: so many of the newest that could go are spared. by_name: each was named on the command line: then it goes
    with files in it that dlmon did not write, for which it is spared else.
    """
    moment = time.time() if now is None else now
    oldest_first = sorted(rows, key=lambda row: (row.created or 0.0, row.name))
    found = [_candidate(row, moment, by_name=by_name) for row in oldest_first]
    free = [place for place, candidate in enumerate(found) if not candidate.spared]
    for place in free[len(free) - keep :] if keep > 0 else []:
        found[place] = replace(found[place], spared=f"one of the newest {keep}")
    return found


def _candidate(row: Row, now: float, *, by_name: bool) -> Candidate:
    folder = Path(row.folder)
    spared = why_not(folder, now)
    others = NOTHING if spared else foreign(folder)
    if others.count and not by_name:
        spared = f"holds {others}; dlmon prune {folder.name} removes it with them"
    return Candidate(row, size_on_disk(folder), spared, others)


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
    trouble = damage(folder)
    if trouble is None:
        return "not a run of dlmon"
    if trouble:
        return f"not a run of dlmon that can be read: {trouble}"
    is_run = not trouble_of(folder, layout.MANIFEST)
    return _run_goes_on(folder, now) if is_run else _rehearsal_goes_on(folder, now)


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
