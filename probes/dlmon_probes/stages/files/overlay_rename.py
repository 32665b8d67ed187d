"""Renames and hard links in the overlay: a real file that is renamed is copied to its new name and hidden."""

from __future__ import annotations

import errno
import posix
from typing import Any, Optional

from dlmon_probes.stages.files import overlay_copy
from dlmon_probes.stages.files.journal import Journal
from dlmon_probes.stages.files.overlay_changes import Changes, refuse
from dlmon_probes.stages.files.overlay_tree import Seen, Tree


class Renames:
    """Both names of a call at once. A result of False means: do it as you would."""

    def __init__(self, tree: Tree, changes: Changes, journal: Journal) -> None:
        self._tree = tree
        self._changes = changes
        self._journal = journal

    def rename(self, old: Any, new: Any, old_fd: Optional[int], new_fd: Optional[int]) -> bool:
        """Rename what the script sees, over what is there. Raises OSError as the kernel would."""
        tree, passes = self._tree, self._tree.territory.passes
        first, second = tree.spot(old, old_fd, follow=False), tree.spot(new, new_fd, follow=False)
        if first is None or second is None:
            return False
        source, target = first[0], second[0]
        if passes(source) and passes(target):
            if first[1] and second[1]:
                return False
            overlay_copy.move(source, target, tree.run)
            return True
        self._need_folders((source, old), (target, new))
        seen = tree.look(source)
        if seen is None:
            refuse(tree.absence(source), old)
        if source == target:
            return True
        over = tree.look(target)
        if target.startswith(source + "/") and seen.folder:
            refuse(errno.EINVAL, old)
        if source.startswith(target + "/"):
            refuse(errno.ENOTEMPTY, old)
        self._refuse(seen, over, old)
        place = target if passes(target) else self._changes.make_room(target, new)
        origin = source if passes(source) else self._whole(source, seen, old)
        overlay_copy.move(origin, place, tree.run)
        if over is not None and (over.folder or over.link) and not passes(target) and tree.really(target):
            tree.hide(target)  # or what is below it would shine through
        self._note(source, target, seen)
        return True

    def _need_folders(self, *paths: tuple[str, Any]) -> None:
        """The kernel looks at both folders before it looks at what is in them."""
        for path, name in paths:
            folder = path.rpartition("/")[0]
            seen = self._tree.look(folder or "/")
            if seen is None or not seen.folder:
                refuse(self._tree.absence(path), name)

    def _refuse(self, seen: Seen, over: Optional[Seen], old: Any) -> None:
        if over is None:
            return
        if seen.folder and not over.folder:
            refuse(errno.ENOTDIR, old)
        if over.folder and not seen.folder:
            refuse(errno.EISDIR, old)
        if over.folder and self._tree.names(self._path(over)):
            refuse(errno.ENOTEMPTY, old)

    def _path(self, seen: Seen) -> str:
        return self._tree.unrooted(seen.place)[0]

    def _whole(self, path: str, seen: Seen, name: Any) -> str:
        """The upper place of what is moved, with all that belongs to it."""
        if seen.upper and not (seen.folder and self._tree.really(path)):
            return seen.place
        return self._changes.raise_tree(path, seen, name)

    def _note(self, source: str, target: str, seen: Seen) -> None:
        tree = self._tree
        if not tree.territory.passes(source) and tree.really(source):
            tree.hide(source)
            self._journal.removed(source, not seen.folder)
        if not tree.territory.passes(target):
            self._journal.renamed(source, target, self._changes.stored(target))
        tree.forget_links()

    def link(self, old: Any, new: Any, old_fd: Optional[int], new_fd: Optional[int], follow: bool) -> bool:
        """A hard link. Of a user's file both names get a copy: what is written to one is read from the other."""
        tree, passes = self._tree, self._tree.territory.passes
        first, second = tree.spot(old, old_fd, follow=follow), tree.spot(new, new_fd, follow=False)
        if first is None or second is None or (first[1] and second[1] and passes(second[0])):
            return False
        seen = tree.look(first[0])
        if seen is None:
            refuse(tree.absence(first[0]), old)
        place = self._changes.making(new, new_fd) or second[0]
        if seen.folder:
            refuse(errno.EPERM, old)
        origin = seen.place if seen.upper or passes(first[0]) else self._changes.raise_tree(first[0], seen, old)
        posix.link(origin, place, follow_symlinks=False)
        self._changes.linked(new, new_fd)
        return True
