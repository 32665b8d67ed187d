"""Where a change goes: every call that would change a file of the user's is given a place in the overlay instead.

What is asked and refused (a file that exists already, a folder that is none, not empty) is what the kernel would ask,
of the file system as the script sees it. Permissions of the real folders are not asked: a rehearsal in a read-only
project may write. All methods take what the script named and raise OSError with that name.
"""

from __future__ import annotations

import errno
import os
import posix
import stat
from typing import Any, Callable, NoReturn, Optional

from dlmon_probes.stages.files import overlay_copy
from dlmon_probes.stages.files.journal import Journal
from dlmon_probes.stages.files.overlay_tree import Seen, Tree

_TMPFILE = getattr(os, "O_TMPFILE", 0)


def refuse(number: int, name: Any) -> NoReturn:
    """Raise the OSError that the kernel would have."""
    raise OSError(number, os.strerror(number), name)


class Changes:
    """Finds and prepares places. A result of None means: go on with the name as it is."""

    def __init__(self, tree: Tree, journal: Journal) -> None:
        self._tree = tree
        self._journal = journal

    # ------------------------------------------------------------ files

    def opening(self, name: Any, flags: int, dir_fd: Optional[int] = None, how: str = "open") -> Optional[str]:
        """The place of a file that is opened to be written, created or cut."""
        tree = self._tree
        created = bool(flags & os.O_CREAT)
        exclusive = created and bool(flags & os.O_EXCL)
        spot = tree.spot(name, dir_fd, follow=not (flags & os.O_NOFOLLOW or exclusive))
        if spot is None:
            return None
        path, exact = spot
        if tree.territory.passes(path):
            return None if exact else path
        seen = tree.look(path)
        if _TMPFILE and flags & _TMPFILE == _TMPFILE and seen is not None and seen.folder:
            return self.raise_folder(path, name)
        if seen is None:
            if not created:
                refuse(tree.absence(path), name)
        elif exclusive:
            refuse(errno.EEXIST, name)
        elif seen.folder:
            refuse(errno.EISDIR, name)
        elif not seen.regular:  # a pipe, a device, a socket
            return None if exact else seen.place
        elif not seen.upper and seen.status.st_size > overlay_copy.MOST and not flags & os.O_TRUNC:
            self._journal.wrote(path, "", how)
            return None if exact else path
        place = self.make_room(path, name)
        if seen is not None and not seen.upper:
            self._raise_file(path, seen, empty=bool(flags & os.O_TRUNC))
        self._wrote(path, how)
        return place

    def altering(self, name: Any, dir_fd: Optional[int] = None, follow: bool = True) -> Optional[str]:
        """The place of something whose mode, times or contents are changed in place."""
        tree = self._tree
        spot = tree.spot(name, dir_fd, follow)
        if spot is None:
            return None
        path, exact = spot
        seen = tree.look(path)
        if tree.territory.passes(path) or seen is None:
            return tree.reading(name, dir_fd, follow)
        if seen.upper:
            return seen.place
        if not seen.folder and not seen.regular and not seen.link:
            return None if exact else path
        if seen.regular and seen.status.st_size > overlay_copy.MOST:
            self._journal.wrote(path, "", "open")
            return None if exact else path
        if seen.regular:
            self._wrote(path, "open")
        return self._raise_any(path, seen, name)

    def making(self, name: Any, dir_fd: Optional[int] = None) -> Optional[str]:
        """The place of a folder, link, pipe or node that must not exist yet."""
        spot = self._tree.spot(name, dir_fd, follow=False)
        if spot is None:
            return None
        path, exact = spot
        if self._tree.territory.passes(path):
            return None if exact else path
        if self._tree.look(path) is not None:
            refuse(errno.EEXIST, name)
        self._tree.forget_links()
        return self.make_room(path, name)

    def linked(self, name: Any, dir_fd: Optional[int] = None) -> None:
        """A hard link or symbolic link was made in the overlay: list it."""
        spot = self._tree.spot(name, dir_fd, follow=False)
        if spot is not None and not self._tree.territory.passes(spot[0]):
            self._wrote(spot[0], "link")

    # ------------------------------------------------------------ removing

    def removing(self, name: Any, dir_fd: Optional[int], call: Callable[[str], None]) -> bool:
        """Remove a file or link. call: the original, for one that lies in the overlay. False: do as you would."""
        spot = self._tree.spot(name, dir_fd, follow=False)
        if spot is None:
            return False
        path, exact = spot
        if self._tree.territory.passes(path, removing=True):
            if not exact:
                call(path)
            return not exact
        seen = self._tree.look(path)
        if seen is None:
            refuse(self._tree.absence(path), name)
        if seen.folder:
            refuse(errno.EISDIR, name)
        if seen.upper:
            call(seen.place)
        self._gone(path, seen)
        return True

    def removing_folder(self, name: Any, dir_fd: Optional[int], call: Callable[[str], None]) -> bool:
        """As `removing`, for an empty folder."""
        tree = self._tree
        spot = tree.spot(name, dir_fd, follow=False)
        if spot is None:
            return False
        path, exact = spot
        if tree.territory.passes(path, removing=True):
            if not exact:
                call(path)
            return not exact
        seen = tree.look(path)
        if seen is None:
            refuse(tree.absence(path), name)
        if not seen.folder:
            refuse(errno.ENOTDIR, name)
        if tree.names(path):
            refuse(errno.ENOTEMPTY, name)
        if seen.upper:
            call(seen.place)
        self._gone(path, seen)
        return True

    def _gone(self, path: str, seen: Seen) -> None:
        real = self._tree.really(path)
        if real:
            self._tree.hide(path)
        self._journal.removed(path, real and not seen.folder)
        if seen.folder or seen.link:
            self._tree.forget_links()

    # ------------------------------------------------------------ places

    def make_room(self, path: str, name: Any) -> str:
        """The upper place of a path whose folder must exist, with the folders above it made there."""
        self.raise_folder(path.rpartition("/")[0], name)
        return self._tree.root + path

    def raise_folder(self, folder: str, name: Any) -> str:
        """Make a folder that the script sees in the overlay too, with those above it; its place there."""
        if folder in ("", "/"):
            try:
                posix.mkdir(self._tree.root, 0o700)
            except FileExistsError:
                pass
            return self._tree.root
        seen = self._tree.look(folder)
        if seen is None:
            refuse(self._tree.absence(folder), name)
        if not seen.folder:
            refuse(errno.ENOTDIR, name)
        if not seen.upper:
            self.raise_folder(folder.rpartition("/")[0], name)
            try:
                posix.mkdir(self._tree.root + folder, stat.S_IMODE(seen.status.st_mode) | 0o700)
            except FileExistsError:  # another process was quicker
                pass
        return self._tree.root + folder

    def _raise_any(self, path: str, seen: Seen, name: Any) -> str:
        if seen.folder:
            return self.raise_folder(path, name)
        place = self.make_room(path, name)
        if seen.link:
            posix.symlink(posix.readlink(seen.place), place)
        else:
            self._raise_file(path, seen, empty=False)
        return place

    def raise_tree(self, path: str, seen: Seen, name: Any) -> str:
        """Copy a file, a link or a whole folder up, so that the upper place holds all that the script sees."""
        place = seen.place if seen.upper else self._raise_any(path, seen, name)
        if seen.folder:
            for entry in self._tree.names(path):
                below = path + "/" + entry
                inner = self._tree.look(below)
                if inner is not None and (inner.folder or not inner.upper):
                    self.raise_tree(below, inner, name)
        return place

    def _raise_file(self, path: str, seen: Seen, empty: bool) -> None:
        place = self._tree.root + path
        if not empty:
            overlay_copy.copy_file(seen.place, place, self._tree.run)
            return
        mode = stat.S_IMODE(seen.status.st_mode) | 0o600
        posix.close(posix.open(place, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, mode))
        posix.chmod(place, mode)

    def stored(self, path: str) -> str:
        """A path's upper place, relative to the run folder."""
        return os.path.relpath(self._tree.root + path, self._tree.run)

    def _wrote(self, path: str, how: str) -> None:
        self._journal.wrote(path, self.stored(path), how)
