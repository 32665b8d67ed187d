"""The user's files that the script removed in a rehearsal: they stay, and the script sees them no more.

`<run>/files.hidden` lists their paths, for all processes of the run. What lies below a hidden folder is hidden too. A
path that was hidden once stays so: what the script makes anew in its place lies in the overlay, and is found first.
"""

from __future__ import annotations

import os
import posix

HIDDEN = "files.hidden"  # in the run folder: canonical paths, each ended by a NUL


class Removed:
    """The list, as far as this process has read it; it grows only."""

    def __init__(self, run: str) -> None:
        self._file = os.path.join(run, HIDDEN)
        self._read = 0  # bytes
        self._paths: set[str] = set()
        self._folders: set[str] = set()  # of the paths

    def hides(self, path: str) -> bool:
        """Whether the real file at a canonical path, or a folder that holds it, was removed by the script."""
        self._catch_up()
        if not self._paths:
            return False
        while path and path != "/":
            if path in self._paths:
                return True
            path = path.rpartition("/")[0]
        return False

    def has(self, folder: str, name: str) -> bool:
        """Whether one entry of a folder was removed, as of the last look."""
        return bool(self._paths) and (folder if folder != "/" else "") + "/" + name in self._paths

    def within(self, folder: str) -> bool:
        """Whether an entry of a folder was removed."""
        self._catch_up()
        return folder in self._folders

    def add(self, path: str) -> None:
        """Raises OSError."""
        if path in self._paths:
            return
        fd = posix.open(self._file, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            posix.write(fd, os.fsencode(path) + b"\0")
        finally:
            posix.close(fd)
        self._keep(path)

    def _keep(self, path: str) -> None:
        self._paths.add(path)
        self._folders.add(path.rpartition("/")[0] or "/")

    def _catch_up(self) -> None:
        """Read what other processes have added since the last look."""
        try:
            if posix.stat(self._file).st_size <= self._read:
                return
            fd = posix.open(self._file, os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            return
        data = b""
        try:
            posix.lseek(fd, self._read, os.SEEK_SET)
            while chunk := posix.read(fd, 1 << 16):
                data += chunk
        finally:
            posix.close(fd)
        whole = data[: data.rfind(b"\0") + 1]
        self._read += len(whole)
        for path in whole.split(b"\0")[:-1]:
            self._keep(os.fsdecode(path))
