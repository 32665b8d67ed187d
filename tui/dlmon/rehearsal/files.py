"""What a stage wrote, from the journal in its run folder (dlmon_probes.stages.files.journal)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from dlmon.rehearsal.report import WrittenFile
from dlmon_probes.stages.plan import JOURNAL

REMOVED, RENAMED = "removed", "renamed"


def written_files(run_folder: Path) -> tuple[WrittenFile, ...]:
    """The files that are there now, by path, and the user's own files that the script removed ("removed": hidden from
    it, and still in place).

    A file that was written under another name and renamed appears under its last name. One that the script wrote and
    removed again is left out. A journal that is missing or torn gives what can be read of it.
    """
    found: dict[str, tuple[str, str]] = {}  # path → stored, how
    for row in _rows(run_folder / JOURNAL):
        path, stored, how = row["path"], row["stored"], row["how"]
        if how == RENAMED:
            _rename(found, row.get("from"), path, stored)
        else:
            found[path] = (stored, how)
    files = (_file(run_folder, path, stored, how) for path, (stored, how) in sorted(found.items()))
    return tuple(file for file in files if file is not None)


def _rename(found: dict[str, tuple[str, str]], source: object, path: str, stored: str) -> None:
    """Move what is known under the old name, a folder with all in it. The newest of two of one name counts."""
    if not isinstance(source, str):
        source = ""
    below = [name for name in found if source and name.startswith(source + "/")]
    for name in below:
        held, how = found.pop(name)
        if held:
            found[path + name[len(source) :]] = (stored + name[len(source) :], how)
    old = found.get(source)
    if old is None or not old[0]:  # a file of the user's that was copied to its new name: the old one is "removed"
        found[path] = (stored, RENAMED)
    else:
        found[path] = (stored, old[1])
        del found[source]


def _file(run_folder: Path, path: str, stored: str, how: str) -> WrittenFile | None:
    if how == REMOVED:
        return WrittenFile(path, "", None, how)
    place = run_folder / stored if stored else Path(path)
    try:
        status = place.lstat()
    except OSError:
        return None if stored else WrittenFile(path, "", None, how)
    return None if place.is_dir() else WrittenFile(path, stored, status.st_size, how)


def _rows(journal: Path) -> Iterator[dict[str, Any]]:
    try:
        lines = journal.read_bytes().split(b"\n")
    except OSError:
        return
    for line in lines:
        try:
            row = json.loads(line)
        except ValueError:  # the end of a line that was being written when its process was killed
            continue
        if isinstance(row, dict) and all(isinstance(row.get(name), str) for name in ("path", "stored", "how")):
            yield row
