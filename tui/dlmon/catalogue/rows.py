"""One line about each run or rehearsal, from its manifest and the end of its log."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from dlmon import text
from dlmon.catalogue.damage import DAMAGED, damage, trouble_of
from dlmon.catalogue.log_end import LogEnd
from dlmon.record import layout
from dlmon.record.manifest import read_manifest
from dlmon.record.marks import Marks, read_marks
from dlmon.rehearsal.report import FAIL, RECORD, SKIPPED, read_record
from dlmon.runs import Run
from dlmon.state import phase
from dlmon.state.snapshot import LOST
from dlmon_probes import events

RUN, REHEARSAL = "run", "rehearsal"
_ENDING = ("SIGINT", "SIGTERM", "SIGKILL")  # others that are passed on ask for a checkpoint, not for the end


@dataclass(frozen=True)
class Row:
    """One run. loss: the last one of its first series. seconds: from its start to its end, or to now. created, ended:
    unix seconds, ended None while it goes on. size: bytes on disk, None while not looked at. command: as typed.
    name: of its folder, which may have been copied or renamed. trouble: why it is damaged, "" where it is not."""

    name: str
    state: str
    steps: int
    loss: float | None
    seconds: float
    exit_code: int | None
    folder: str
    kind: str = RUN
    created: float | None = None
    ended: float | None = None
    tags: tuple[str, ...] = ()
    note: str = ""
    size: int | None = None
    command: str = ""
    trouble: str = ""

    @property
    def going(self) -> bool:
        return self.ended is None

    def as_json(self) -> dict[str, Any]:
        row = {**vars(self), "tags": list(self.tags)}
        loss = self.loss
        if loss is not None and loss - loss != 0:  # NaN and infinities, as they stand in the log
            row["loss"] = str(loss)
        return row

    def with_marks(self, marks: Marks) -> Row:
        return replace(self, tags=marks.tags, note=marks.note)


def read_row(folder: Path, now: float | None = None) -> Row | None:
    """The row of a run or a rehearsal, a damaged one too; None for any other folder."""
    now = time.time() if now is None else now
    manifest = read_manifest(folder)
    if manifest is not None and manifest.created is not None and manifest.dlmon:  # nearly always
        return row(Run(folder, manifest), now)
    trouble = damage(folder)
    if trouble is None:
        return None
    if trouble:
        return damaged_row(folder, trouble)
    if manifest is not None and not trouble_of(folder, layout.MANIFEST):
        return row(Run(folder, manifest), now)
    return rehearsal_row(folder, now) or damaged_row(folder, f"{RECORD} cannot be read")


def damaged_row(folder: Path, trouble: str) -> Row:
    """A run whose manifest tells nothing; of its log it may still have steps and a loss."""
    files = [name for name in layout.log_files(folder) if name != layout.HOST]
    steps, loss = _progress(LogEnd(folder / files[0])) if files else (0, None)
    ended = max(_modified(folder / layout.MANIFEST, 0.0), _last_write(folder))
    made = Row(folder.name, DAMAGED, steps, loss, 0.0, None, str(folder), RUN, None, ended, trouble=trouble)
    return made.with_marks(read_marks(folder))


def row(run: Run, now: float | None = None) -> Row:
    """What one line says of a run. Reads at most 2 MiB, however long the run was."""
    now = time.time() if now is None else now
    manifest, folder = run.manifest, run.folder
    files = [name for name in layout.log_files(folder) if name != layout.HOST]
    log = LogEnd(folder / files[0]) if files else None
    steps, loss = _progress(log) if log else (0, None)
    outcome = manifest.outcome
    over = outcome is not None or run.over
    ended = outcome.ended if outcome is not None else _last_write(folder) if over else None
    seconds = outcome.seconds if outcome is not None else (now if ended is None else ended) - (manifest.created or now)
    made = Row(
        folder.name, _state(run, log, over=over), steps, loss, max(0.0, seconds),
        outcome.code if outcome is not None else None, str(folder), RUN, manifest.created, ended,
        command=text.clean(" ".join(manifest.argv or manifest.command)),
    )  # fmt: skip
    return made.with_marks(read_marks(folder))


def rehearsal_row(folder: Path, now: float | None = None) -> Row | None:
    """What one line says of a rehearsal: where it failed, or how many stages it has. None for a damaged record."""
    record = read_record(folder)
    if record is None:
        return None
    now = time.time() if now is None else now
    ran = [report for report in record.reports if report.verdict != SKIPPED]
    failed = [report.name for report in ran if report.verdict == FAIL]
    if record.going is not None:
        state, code = f"rehearsal in {record.going[0]}", None
    elif failed:
        state, code = f"rehearsal failed in {failed[0]}", 1
    else:
        state, code = f"rehearsal, {text.plural(len(ran), 'stage')}", 0
    seconds = sum(report.seconds for report in ran)
    ended = None if record.going is not None else _modified(folder / RECORD, now)
    made = Row(
        folder.name, text.clean(state), 0, None, seconds, code, str(folder), REHEARSAL, record.started, ended,
        command=text.clean(" ".join(record.argv)),
    )  # fmt: skip
    return made.with_marks(read_marks(folder))


def size_on_disk(folder: Path) -> int:
    """Bytes that the files in a folder take up, their blocks as the file system counts them; links are not followed."""
    total = 0
    waiting = [str(folder)]
    while waiting:
        try:
            with os.scandir(waiting.pop()) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        waiting.append(entry.path)
                    else:
                        total += entry.stat(follow_symlinks=False).st_blocks * 512
        except OSError:
            continue
    return total


def _state(run: Run, log: LogEnd | None, *, over: bool) -> str:
    outcome = run.manifest.outcome
    if outcome is not None:
        end = events.Exit(outcome.ended, outcome.code, outcome.seconds, outcome.signal)
        if outcome.code == 0 and not outcome.signal:  # by far the most, and nothing else has to be read for them
            return phase.end_of(phase.Clues(outcome.ended, exit=end))[0]
        crash = events.Crash(0, 0, "", "", []) if log is not None and log.last("crash") is not None else None
        asked = (LogEnd(run.folder / layout.HOST).last("signal") or {}).get("signal") in _ENDING
        return phase.end_of(phase.Clues(outcome.ended, exit=end, stop_requested=asked, crash=crash))[0]
    if over:
        return LOST
    beat = log.last("heartbeat") if log is not None else None
    stage = LogEnd(run.folder / layout.HOST).last("phase")
    name = (beat or {}).get("phase") or (stage or {}).get("name") or ""
    return phase.living(phase.Clues(0.0, phase=str(name)))[0]


def _last_write(folder: Path) -> float:
    """When a run that ended without a record was last heard of."""
    return max((_modified(folder / name, 0.0) for name in layout.log_files(folder)), default=0.0)


def _modified(path: Path, otherwise: float) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return otherwise


def _progress(log: LogEnd) -> tuple[int, float | None]:
    """Steps and the last loss of the first series."""
    block = log.last("steps")
    if block is None:
        return 0, None
    try:
        steps = int(block["first"]) + len(block["at"])
        columns = block.get("loss") or {}
        column = columns[min(columns, key=int)] if columns else []
        values = [value for value in column if value is not None]
        return steps, float(values[-1]) if values else None
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError):
        return 0, None
