"""`dlmon ls`: what runs there are and how each ended, from their manifests and the ends of their logs."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dlmon import text
from dlmon.record import layout
from dlmon.rehearsal.report import FAIL, SKIPPED, read_record
from dlmon.runs import Run
from dlmon.state import phase
from dlmon.state.snapshot import LOST
from dlmon_probes import events

_END = 1 << 20  # bytes at the end of a log that are looked at; a `gradients` line of a large model takes 200 KB
_ENDING = ("SIGINT", "SIGTERM", "SIGKILL")  # others that are passed on ask for a checkpoint, not for the end


@dataclass(frozen=True)
class Row:
    """One run. loss: the last one of its first series. seconds: from its start to its end, or to now."""

    name: str
    state: str
    steps: int
    loss: float | None
    seconds: float
    exit_code: int | None
    folder: str

    def as_json(self) -> dict[str, Any]:
        loss = self.loss
        if loss is not None and loss - loss != 0:  # NaN and infinities, as they stand in the log
            return {**vars(self), "loss": str(loss)}
        return dict(vars(self))


def row(run: Run, now: float | None = None) -> Row:
    """What one line says of a run. Reads at most 2 MiB, however long the run was."""
    now = time.time() if now is None else now
    manifest = run.manifest
    files = [name for name in layout.log_files(run.folder) if name != layout.HOST]
    steps, loss = _progress(run.folder / files[0]) if files else (0, None)
    outcome = manifest.outcome
    if outcome is not None:
        seconds = outcome.seconds
    else:
        seconds = _last_sign(run.folder, now, over=run.over) - (manifest.created or now)
    code = outcome.code if outcome is not None else None
    return Row(manifest.name, _state(run, files), steps, loss, max(0.0, seconds), code, str(run.folder))


def rehearsal_row(folder: Path) -> Row | None:
    """What one line says of a rehearsal: where it failed, or how many stages it has. None for a damaged record."""
    record = read_record(folder)
    if record is None:
        return None
    ran = [report for report in record.reports if report.verdict != SKIPPED]
    failed = [report.name for report in ran if report.verdict == FAIL]
    if record.going is not None:
        state, code = f"rehearsal in {record.going[0]}", None
    elif failed:
        state, code = f"rehearsal failed in {failed[0]}", 1
    else:
        state, code = f"rehearsal, {text.plural(len(ran), 'stage')}", 0
    return Row(folder.name, state, 0, None, sum(report.seconds for report in ran), code, str(folder))


def _state(run: Run, files: Sequence[str]) -> str:
    outcome = run.manifest.outcome
    if outcome is not None:
        end = events.Exit(outcome.ended, outcome.code, outcome.seconds, outcome.signal)
        crash = None if not files or _last(run.folder / files[0], "crash") is None else events.Crash(0, 0, "", "", [])
        asked = (_last(run.folder / layout.HOST, "signal") or {}).get("signal") in _ENDING
        return phase.end_of(phase.Clues(outcome.ended, exit=end, stop_requested=asked, crash=crash))[0]
    if run.over:
        return LOST
    beat = _last(run.folder / files[0], "heartbeat") if files else None
    stage = _last(run.folder / layout.HOST, "phase")
    name = (beat or {}).get("phase") or (stage or {}).get("name") or ""
    return phase.living(phase.Clues(0.0, phase=str(name)))[0]


def _last_sign(folder: Path, now: float, *, over: bool) -> float:
    """When a run without an outcome was last heard of: now while it lives, else the last write to its logs."""
    if not over:
        return now
    times = [(folder / name).stat().st_mtime for name in layout.log_files(folder)]
    return max(times, default=0.0)


def _progress(path: Path) -> tuple[int, float | None]:
    """Steps and the last loss of the first series."""
    block = _last(path, "steps")
    if block is None:
        return 0, None
    try:
        steps = int(block["first"]) + len(block["at"])
        columns = block.get("loss") or {}
        column = columns[min(columns, key=int)] if columns else []
        values = [value for value in column if value is not None]
        return steps, float(values[-1]) if values else None
    except (KeyError, TypeError, ValueError):
        return 0, None


def _last(path: Path, kind: str) -> dict[str, Any] | None:
    """The last whole line of a kind near the end of a log."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, os.fstat(file.fileno()).st_size - _END))
            data = file.read()
    except OSError:
        return None
    start = data.rfind(b'{"k":"%s"' % kind.encode())
    while start >= 0:
        line, newline, _ = data[start:].partition(b"\n")
        if newline:
            try:
                found = json.loads(line)
                return found if isinstance(found, dict) else None
            except ValueError:
                pass
        start = data.rfind(b'{"k":"%s"' % kind.encode(), 0, start)
    return None


def table(rows: Sequence[Row]) -> list[str]:
    """Aligned lines with a heading."""
    cells = [("run", "state", "steps", "loss", "time", "exit")]
    cells += [
        (
            text.clean(row.name),
            row.state,
            text.count(row.steps),
            text.number(row.loss),
            text.duration(row.seconds),
            text.MISSING if row.exit_code is None else str(row.exit_code),
        )
        for row in rows
    ]
    widths = [max(len(line[column]) for line in cells) for column in range(6)]
    right = (False, False, True, True, True, True)
    return [
        "  ".join(
            cell.rjust(width) if to_right else cell.ljust(width) for cell, width, to_right in zip(line, widths, right)
        ).rstrip()
        for line in cells
    ]
