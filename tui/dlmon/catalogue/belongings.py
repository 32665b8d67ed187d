"""What lies in a run's folder that dlmon did not write: a person's notes, a checkpoint that the script saved there."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from dlmon import text
from dlmon.interop.mirror import LOG as MIRROR_LOG
from dlmon.launch.requests import NAME as REQUESTS
from dlmon.record import layout
from dlmon.record.marks import FILE as MARKS
from dlmon.rehearsal.report import RECORD
from dlmon_probes.stages.plan import FILES, JOURNAL

MOST_NAMED = 3
_NAMES = frozenset(
    {
        layout.MANIFEST, layout.HOST, layout.OUTPUT, layout.SUPERVISOR_LOG, layout.SOURCE, layout.GIT_DIFF,
        layout.CONTROL, MARKS, RECORD, REQUESTS, MIRROR_LOG, JOURNAL, FILES, "watch.json", "watch.json.new",
        "watch.log", "files.hidden",
    }
)  # fmt: skip
# Screenshots, stacks of a process, and what a writer leaves that was killed before it gave a file its name.
_PATTERNS = re.compile(
    r"screen-\d{8}-\d{6}\.svg|stacks-\d+\.txt|\.(?:run|marks|rehearsal)\.json\.\d+", re.ASCII
)  # fmt: skip


@dataclass(frozen=True)
class Foreign:
    """Files that dlmon did not write. size: bytes on disk. names: the first ones, relative to the folder."""

    count: int = 0
    size: int = 0
    names: tuple[str, ...] = ()

    def __str__(self) -> str:
        named = ", ".join(map(text.clean, self.names)) + (", …" if self.count > len(self.names) else "")
        return f"{text.plural(self.count, 'file')} that dlmon did not write, {text.size(self.size)} ({named})"


NOTHING = Foreign()


def foreign(folder: Path) -> Foreign:
    """What of a run or rehearsal is not dlmon's. Links count as files, and are not followed."""
    count = size = 0
    names: list[str] = []
    for path, status in _foreign_files(folder, top=True):
        count += 1
        size += status.st_blocks * 512
        if len(names) < MOST_NAMED:
            names.append(str(path.relative_to(folder)))
    return Foreign(count, size, tuple(names))


def _foreign_files(folder: Path, *, top: bool) -> Iterator[tuple[Path, os.stat_result]]:
    try:
        found = sorted(folder.iterdir())
    except OSError:
        return
    stages = top and folder / RECORD in found
    for path in found:
        if _ours(path.name):
            continue
        try:
            status = path.lstat()
        except OSError:
            continue
        if not stat.S_ISDIR(status.st_mode):
            yield path, status
        elif stages and (path / layout.MANIFEST).is_file():
            yield from _foreign_files(path, top=False)
        else:
            yield from _all_files(path)


def _all_files(folder: Path) -> Iterator[tuple[Path, os.stat_result]]:
    for inside, folders, names in os.walk(folder):
        links = [name for name in folders if Path(inside, name).is_symlink()]
        for name in sorted([*names, *links]):
            path = Path(inside, name)
            try:
                yield path, path.lstat()
            except OSError:
                continue


def _ours(name: str) -> bool:
    return name in _NAMES or layout.rank_of(name) is not None or _PATTERNS.fullmatch(name) is not None
