"""What a rehearsal wrote: one JSON line per file in the run folder, from all of its processes.

A line is {"path": absolute, as the script sees it, "stored": relative to the run folder, "" when it was really written
(or is a real file that the script removed), "how": "open", "torch.save", "safetensors", "renamed", "removed", "audit"…,
"pid"}. A rename adds "from". A path is written once by each process, again after it was removed.
"""

from __future__ import annotations

import json
import os
import posix
from typing import Any, Callable, Optional

from dlmon_probes.stages.plan import JOURNAL

_CHANGING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
# Of each audit event, which arguments are paths that it changes.
_PATHS = {
    "os.remove": (0,), "os.rmdir": (0,), "os.mkdir": (0,), "os.truncate": (0,), "os.rename": (0, 1),
    "os.link": (1,), "os.symlink": (1,), "sqlite3.connect": (0,),
}  # fmt: skip


class Journal:
    """Appends lines to the run's journal. Never raises: a line that cannot be written is lost."""

    def __init__(self, run: str) -> None:
        self._file = os.path.join(run, JOURNAL)
        self._noted: dict[str, tuple[str, str]] = {}  # path → how, stored

    def wrote(self, path: str, stored: str, how: str) -> None:
        """A file was opened for writing. stored: relative to the run folder, "" for the real place."""
        known = self._noted.get(path)
        better = known is not None and known[0] == "open" and how not in ("open", "audit")
        if known is None or better or known[1] != stored:
            self._noted[path] = (how, stored)
            self._append({"path": path, "stored": stored, "how": how})

    def removed(self, path: str, real: bool) -> None:
        """real: a file of the user's, which stays where it is, was hidden from the script."""
        self._noted.pop(path, None)
        if real:
            self._append({"path": path, "stored": "", "how": "removed"})

    def renamed(self, source: str, target: str, stored: str) -> None:
        """What was known of the old name, or of a folder with all in it, holds for the new one. stored: of `target`."""
        for path in [path for path in self._noted if path == source or path.startswith(source + "/")]:
            rest = path[len(source) :]
            self._noted[target + rest] = (self._noted.pop(path)[0], stored + rest)
        self._noted.setdefault(target, ("renamed", stored))
        self._append({"path": target, "stored": stored, "how": "renamed", "from": source})

    def how(self, path: str) -> Optional[str]:
        """How this process wrote a file; None when it did not."""
        known = self._noted.get(path)
        return known[0] if known is not None else None

    def paths(self) -> list[str]:
        """What this process wrote, oldest first."""
        return list(self._noted)

    def forget(self) -> None:
        """A forked child has written nothing yet."""
        self._noted.clear()

    def _append(self, row: dict[str, Any]) -> None:
        row["pid"] = os.getpid()
        try:
            line = json.dumps(row, separators=(",", ":")).encode("ascii") + b"\n"
            fd = posix.open(self._file, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                posix.write(fd, line)
            finally:
                posix.close(fd)
        except Exception:  # a full disk; an interpreter that is shutting down
            pass


def watched(event: str, args: tuple[Any, ...]) -> tuple[Any, ...]:
    """The paths that an audit event of Python changes; () for what reads or is none of our concern."""
    if event == "open":
        path, mode, flags = args
        by_flags = isinstance(flags, int) and bool(flags & _CHANGING)
        by_mode = isinstance(mode, str) and not set(mode).isdisjoint("wax+")
        return (path,) if by_flags or by_mode else ()
    if event == "sqlite3.connect" and not is_database_file(args[0]):
        return ()
    positions = _PATHS.get(event)
    return tuple(args[position] for position in positions) if positions else ()


def is_database_file(database: Any) -> bool:
    """Whether sqlite3.connect was given a path, rather than a database in memory or a URI."""
    text = os.fsdecode(database) if isinstance(database, (bytes, os.PathLike)) else database
    return isinstance(text, str) and text not in ("", ":memory:") and not text.startswith("file:")


def hook(busy: set[int], ident: Callable[[], int], missed: Callable[[Any], None]) -> Callable[[str, Any], None]:
    """An audit hook that hands `missed` every path changed by calls that the overlay did not translate.

    busy: threads that are within a translated call now. Python's hooks stay for the life of the process, and see
    thousands of events: all but ten kinds leave after one lookup (0.1 µs).
    """
    kinds = frozenset(("open", *_PATHS))

    def audited(event: str, args: Any) -> None:
        if event not in kinds:
            return
        me = ident()
        if me in busy:
            return
        busy.add(me)
        try:
            for path in watched(event, args):
                missed(path)
        except Exception:  # an exception from a hook would abort what the script does
            pass
        finally:
            busy.discard(me)

    return audited
