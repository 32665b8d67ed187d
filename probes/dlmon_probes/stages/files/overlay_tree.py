"""The file system as the script sees it during a rehearsal: the user's files, and over them what the script wrote.

A path has two places: the real one ("lower"), and `<run>/files/<path>` ("upper"), which hides it. Real files that the
script removed are seen no more (`overlay_removed`).

Only the originals in `posix` are used here, never the patched functions of `os`.
"""

from __future__ import annotations

import errno
import fcntl
import os
import posix
import stat
import sys
from typing import Any, Optional

from dlmon_probes.stages.files.overlay_paths import SYSTEM, Territory
from dlmon_probes.stages.files.overlay_removed import Removed
from dlmon_probes.stages.plan import FILES

_MOST_LINKS = 40  # as Linux
_MOST_FOLDERS = 4096  # resolved folders that are remembered


class Seen:
    """What is at a path. upper: it lies in the overlay. place: where it really lies. status: of itself, not of what a
    link points to. (No dataclass: their import takes 10 ms, in every process of the run.)"""

    __slots__ = ("folder", "link", "place", "regular", "status", "upper")

    def __init__(self, upper: bool, place: str, status: os.stat_result) -> None:
        self.upper = upper
        self.place = place
        self.status = status
        self.folder = stat.S_ISDIR(status.st_mode)
        self.regular = stat.S_ISREG(status.st_mode)
        self.link = stat.S_ISLNK(status.st_mode)


class Tree:
    """Finds where a path lies. Paths within are canonical: absolute, without links, as the script sees them."""

    def __init__(self, run: str, territory: Territory) -> None:
        self.run = run
        self.root = os.path.join(run, FILES)
        self.territory = territory
        self._begun = False
        self._folders: dict[str, str] = {}
        self.removed = Removed(run)

    def begun(self) -> bool:
        """Whether anything was written or removed yet; until then nothing differs from the real file system."""
        if not self._begun:
            try:
                posix.stat(self.root)
                self._begun = True
            except OSError:
                return False
        return True

    # ------------------------------------------------------------ from what the script named to a path

    def spot(self, name: Any, dir_fd: Optional[int] = None, follow: bool = True) -> Optional[tuple[str, bool]]:
        """The canonical path of what the script named, and whether the kernel would read the name in the same way.

        None for what is no path (a descriptor, a wrong type), names nothing, or lies in /dev, /proc or /sys. Raises
        OSError for links in a circle.
        """
        if isinstance(name, int):
            return None
        try:
            path = os.fspath(name)
        except TypeError:
            return None
        if isinstance(path, bytes):
            path = os.fsdecode(path)
        if not path or "\0" in path:
            return None
        exact = True
        if path[0] != "/":
            try:
                base, exact = self._base(dir_fd)
            except OSError:  # a working folder that was removed, a descriptor that is none: the call will say so
                return None
            path = base + "/" + path
        if path.startswith(SYSTEM):
            return None
        try:
            found = self.canonical(path, follow)
        except OSError as error:  # links that go round in a circle
            error.filename = name
            raise
        return found, exact and found == path

    def canonical(self, path: str, follow: bool = True) -> str:
        """An absolute path with its links followed; the last part only with `follow`."""
        folder, _, last = path.rpartition("/")
        if last in ("", ".", ".."):
            return self._walk(path)
        parent = self._folders.get(folder)
        if parent is None:
            parent = self._walk(folder)
            if len(self._folders) >= _MOST_FOLDERS:
                self._folders.clear()
            self._folders[folder] = parent
        found = (parent if parent != "/" else "") + "/" + last
        if follow and self._target(found) is not None:
            return self._walk(found)
        return found

    def forget_links(self) -> None:
        """Call it when a link or a folder was made, moved or removed."""
        self._folders.clear()

    def cwd(self) -> tuple[str, bool]:
        """The working folder as the script sees it, and whether it really is there. Raises OSError."""
        return self.unrooted(posix.getcwd())

    def unrooted(self, place: str) -> tuple[str, bool]:
        """The path of a real place, and whether they are the same."""
        if place.startswith(self.root + "/"):
            return place[len(self.root) :], False
        return place, True

    def _base(self, dir_fd: Optional[int]) -> tuple[str, bool]:
        return self.cwd() if dir_fd is None else self.unrooted(path_of(dir_fd))

    def _walk(self, path: str) -> str:
        todo = path.split("/")[::-1]
        at, links = "", 0
        while todo:
            part = todo.pop()
            if part in ("", "."):
                continue
            if part == "..":
                at = at.rpartition("/")[0]
                continue
            step = at + "/" + part
            if step.startswith(SYSTEM):
                return "/".join([step, *todo[::-1]])
            target = self._target(step)
            if target is None:
                at = step
                continue
            links += 1
            if links > _MOST_LINKS:
                raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), path)
            todo += target.split("/")[::-1]
            if target.startswith("/"):
                at = ""
        return at or "/"

    def _target(self, path: str) -> Optional[str]:
        """What the link at a path points to; None for what is no link."""
        if self.begun():
            try:
                return posix.readlink(self.root + path)
            except OSError as error:
                if error.errno == errno.EINVAL:  # it is there, and no link
                    return None
            if self.removed.hides(path):
                return None
        try:
            return posix.readlink(path)
        except OSError:
            return None

    # ------------------------------------------------------------ what is there

    def look(self, path: str) -> Optional[Seen]:
        """What the script sees at a canonical path; None for nothing."""
        if not self.territory.passes(path):
            place = self.root + path
            try:
                return Seen(True, place, posix.lstat(place))
            except NotADirectoryError:  # below what is a file in the overlay
                return None
            except OSError:
                if self.removed.hides(path):
                    return None
        try:
            return Seen(False, path, posix.lstat(path))
        except OSError:
            return None

    def reading(self, name: Any, dir_fd: Optional[int] = None, follow: bool = True) -> Optional[str]:
        """Where to read what the script named; None: just as it named it. Something missing is missing there too."""
        if not self.begun():
            return None
        spot = self.spot(name, dir_fd, follow)
        if spot is None:
            return None
        path, exact = spot
        if not self.territory.passes(path):
            place = self.root + path
            try:
                posix.lstat(place)
                return place
            except NotADirectoryError:  # below what is a file in the overlay
                return place
            except OSError:
                if self.removed.hides(path):
                    return place
        return None if exact else path

    def absence(self, path: str) -> int:
        """The error number for a path at which there is nothing."""
        while path:
            path = path.rpartition("/")[0]
            seen = self.look(path) if path else None
            if seen is not None:
                return errno.ENOENT if seen.folder else errno.ENOTDIR
        return errno.ENOENT

    def really(self, path: str) -> bool:
        """Whether a real file or folder is there and is seen."""
        if self.removed.hides(path):
            return False
        try:
            posix.lstat(path)
            return True
        except OSError:
            return False

    def names(self, path: str) -> list[str]:
        """The names in a folder that the script sees. Raises OSError."""
        upper = self._listed(self.root + path)
        lower = None if self.removed.hides(path) else self._listed(path)
        if upper is None and lower is None:
            number = errno.ENOTDIR if self.look(path) is not None else self.absence(path)
            raise OSError(number, os.strerror(number), path)
        over = set(upper or ())
        kept = [name for name in lower or () if name not in over and not self.removed.has(path, name)]
        return kept + list(upper or ())

    def hide(self, path: str) -> None:
        """Hide a real path from the script. Raises OSError."""
        try:
            posix.mkdir(self.root, 0o700)
        except FileExistsError:
            pass
        self.removed.add(path)

    def is_merged(self, path: str) -> bool:
        """Whether the folder's contents differ from the real folder's."""
        if self.removed.within(path) or self.removed.hides(path):
            return True
        try:
            posix.lstat(self.root + path)
            return True
        except OSError as error:
            return error.errno == errno.ENOTDIR

    @staticmethod
    def _listed(folder: str) -> Optional[list[str]]:
        try:
            return posix.listdir(folder)
        except OSError:
            return None


def path_of(fd: int) -> str:
    """The path behind a folder's descriptor. Raises OSError."""
    if sys.platform == "darwin":
        found: bytes = fcntl.fcntl(fd, 50, b"\0" * 1024)  # F_GETPATH
        return os.fsdecode(found.rstrip(b"\0"))
    return posix.readlink(f"/proc/self/fd/{fd}")
