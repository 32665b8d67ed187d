"""All runs in a folder. What was read of a run is kept as long as its files stay the same, from one command to the
next in a file that may be deleted at any time."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from dlmon.catalogue.rows import Row, read_row, size_on_disk
from dlmon.errors import UserError, reason
from dlmon.record import layout
from dlmon.record.marks import FILE as MARKS
from dlmon.rehearsal.report import RECORD

CACHE = ".ls-cache.json"
VERSION = 2
_LARGEST = 64 << 20  # bytes: what is larger was not written here
_WORTH_KEEPING = 50  # new rows: below that, reading them again is quicker than it is to write all

Stamp = tuple[tuple[str, int, int], ...]  # (file, mtime in ns, bytes) of what a row is read from


class Catalogue:
    """Reads rows one by one, so that a screen can show the first ones at once. Not thread-safe."""

    def __init__(self, runs: Path, *, kept: bool = True) -> None:
        self.runs = runs
        self._kept = kept
        self._known: dict[str, tuple[Stamp, Row]] = self._load() if kept else {}
        self._new = 0

    def names(self) -> list[str]:
        """The folders in it, the newest first as far as names tell. Empty where there is no such folder.

        Raises UserError when it is there and cannot be read.
        """
        try:
            with os.scandir(self.runs) as entries:
                return sorted((entry.name for entry in entries if _is_candidate(entry)), reverse=True)
        except FileNotFoundError:
            return []
        except OSError as error:
            raise UserError(f"cannot read the runs in {self.runs}: {reason(error)}") from None

    def row(self, name: str, *, size: bool = False) -> Row | None:
        """The row of a folder; None where it is no run. size: with the bytes on disk."""
        folder = self.runs / name
        stamp = _stamp(folder)
        if stamp is None:
            self._known.pop(name, None)
            return None
        known = self._known.get(name)
        found = known[1] if known is not None and known[0] == stamp else None
        if found is None or found.going:
            found = read_row(folder)
            if found is None:
                return None
            if known is not None and _but_marks(known[0]) == _but_marks(stamp):
                found = replace(found, size=known[1].size)
            self._new += 1
        if size and found.size is None:
            found = replace(found, size=size_on_disk(folder))
            self._new += 1
        if not found.going:
            self._known[name] = stamp, found
        return replace(found, folder=str(folder))

    def rows(self, *, size: bool = False) -> Iterator[Row]:
        """All rows, the newest first."""
        for name in self.names():
            found = self.row(name, size=size)
            if found is not None:
                yield found

    def save(self) -> None:
        """Keep what was read for the next command. A folder that cannot be written to is no reason to complain."""
        if not self._kept or self._new < _WORTH_KEEPING:
            return
        there = set(self.names())
        rows = {name: [stamp, found.as_json()] for name, (stamp, found) in self._known.items() if name in there}
        scratch = self.runs / f"{CACHE}.{os.getpid()}"
        with contextlib.suppress(OSError):
            try:
                fd = os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
                with os.fdopen(fd, "w", encoding="utf-8") as file:
                    json.dump({"version": VERSION, "rows": rows}, file, separators=(",", ":"))
                scratch.replace(self.runs / CACHE)
                self._new = 0
            except OSError:
                scratch.unlink(missing_ok=True)

    def _load(self) -> dict[str, tuple[Stamp, Row]]:
        try:
            with (self.runs / CACHE).open("rb") as file:
                told = json.loads(file.read(_LARGEST))
            if told["version"] != VERSION:
                return {}
            return {name: (_stamp_of(stamp), _row_of(row)) for name, (stamp, row) in told["rows"].items()}
        except (OSError, ValueError, TypeError, LookupError, AttributeError, RecursionError):
            return {}


def _is_candidate(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir() and not entry.name.startswith(".")
    except OSError:
        return False


def _stamp(folder: Path) -> Stamp | None:
    """What tells that a row may be out of date; None for a folder that holds neither a run nor a rehearsal."""
    try:
        with os.scandir(folder) as entries:
            files = {entry.name: entry for entry in entries}
            if layout.MANIFEST not in files and RECORD not in files:
                return None
            read = [name for name in files if name in _READ or layout.rank_of(name) is not None]
            stats = ((name, files[name].stat()) for name in sorted(read))
            return tuple((name, status.st_mtime_ns, status.st_size) for name, status in stats)
    except OSError:
        return None


def _but_marks(stamp: Stamp) -> Stamp:
    return tuple(part for part in stamp if part[0] != MARKS)


_READ = frozenset({layout.MANIFEST, RECORD, layout.HOST, MARKS})
_FIELDS = {item.name for item in fields(Row)}


def _stamp_of(told: Any) -> Stamp:
    return tuple((str(name), int(mtime), int(size)) for name, mtime, size in told)


def _row_of(told: Any) -> Row:
    """Raises TypeError or ValueError for anything that is no row."""
    values = {name: value for name, value in told.items() if name in _FIELDS}
    loss = values["loss"]
    values["loss"] = None if loss is None else float(loss)
    values["tags"] = tuple(str(tag) for tag in values["tags"])
    for name in ("name", "state", "note", "command", "folder", "kind", "trouble"):
        if not isinstance(values[name], str):
            raise TypeError(name)
    for name in ("steps", "seconds"):
        float(values[name])
    for name in ("created", "ended", "size", "exit_code"):
        if values[name] is not None:
            float(values[name])
    return Row(**values)
