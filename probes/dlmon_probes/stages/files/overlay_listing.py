"""Folders as the script sees them: `os.listdir`, `os.scandir` and the working folder's name."""

from __future__ import annotations

import os
import posix
import stat
from collections.abc import Iterator
from typing import Any, Callable, Optional, Union

from dlmon_probes.stages.files.overlay_calls import Function, named, shielded
from dlmon_probes.stages.files.overlay_tree import Tree, path_of

Text = Union[str, bytes]


class Entry:
    """An `os.DirEntry` whose file may lie elsewhere. name and path are as the script would get them."""

    __slots__ = ("_entry", "_look", "name", "path")

    def __init__(self, entry: Any, name: Text, path: Text, look: Callable[[], os.stat_result]) -> None:
        self._entry = entry
        self._look = look
        self.name = name
        self.path = path

    def inode(self) -> int:
        return int(self._entry.inode())

    def is_symlink(self) -> bool:
        return bool(self._entry.is_symlink())

    def is_junction(self) -> bool:
        return False

    def is_dir(self, *, follow_symlinks: bool = True) -> bool:
        return self._is(stat.S_ISDIR, follow_symlinks)

    def is_file(self, *, follow_symlinks: bool = True) -> bool:
        return self._is(stat.S_ISREG, follow_symlinks)

    def stat(self, *, follow_symlinks: bool = True) -> os.stat_result:
        if follow_symlinks and self._entry.is_symlink():
            return self._look()
        found: os.stat_result = self._entry.stat(follow_symlinks=False)
        return found

    def _is(self, kind: Callable[[int], bool], follow_symlinks: bool) -> bool:
        try:
            return kind(self.stat(follow_symlinks=follow_symlinks).st_mode)
        except FileNotFoundError:
            return False

    def __fspath__(self) -> Text:
        return self.path

    def __repr__(self) -> str:
        return f"<DirEntry {self.name!r}>"


class Scan:
    """What `os.scandir` returns: an iterator that can be closed, and a context manager."""

    def __init__(self, entries: list[Any]) -> None:
        self._entries = iter(entries)

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        return next(self._entries)

    def close(self) -> None:
        self._entries = iter(())

    def __enter__(self) -> Scan:
        return self

    def __exit__(self, *_exc: Any) -> None:
        self.close()


class Listing:
    """Finds the folders whose contents differ from the real ones."""

    def __init__(self, tree: Tree, look: Function) -> None:
        self._tree = tree
        self._look = look  # os.stat as the script has it

    def merged(self, name: Any) -> Optional[str]:
        """The canonical path of a folder that must be listed by us; None: list it as it is."""
        tree = self._tree
        if not tree.begun():
            return None
        if isinstance(name, int) and not isinstance(name, bool):
            path, exact = tree.unrooted(path_of(name))
        else:
            spot = tree.spot("." if name is None else name)
            if spot is None:
                return None
            path, exact = spot
        if tree.territory.passes(path):
            return None if exact else path
        return path if not exact or tree.is_merged(path) else None

    def names(self, path: str) -> list[str]:
        return posix.listdir(path) if self._tree.territory.passes(path) else self._tree.names(path)

    def entries(self, path: str, name: Any) -> list[Any]:
        """Entries of the real folder that are still seen, then those of the overlay."""
        tree = self._tree
        if tree.territory.passes(path):
            return [self._entry(entry, path, name) for entry in _scanned(path)]
        names = set(tree.names(path))
        upper = _scanned(tree.root + path)
        names.difference_update(entry.name for entry in upper)
        lower = [] if tree.removed.hides(path) else _scanned(path)
        return [self._entry(entry, path, name) for entry in (*(e for e in lower if e.name in names), *upper)]

    def _entry(self, entry: Any, folder: str, name: Any) -> Entry:
        full = os.path.join(folder, entry.name)
        if isinstance(name, int):
            return Entry(entry, entry.name, entry.name, lambda: self._status(full))
        base = "." if name is None else os.fspath(name)
        if isinstance(base, bytes):
            raw = os.fsencode(entry.name)
            return Entry(entry, raw, os.path.join(base, raw), lambda: self._status(full))
        path = entry.name if name is None else os.path.join(base, entry.name)
        return Entry(entry, entry.name, path if name is not None else "./" + path, lambda: self._status(full))

    def _status(self, path: str) -> os.stat_result:
        found: os.stat_result = self._look(path)
        return found


def _scanned(folder: str) -> list[Any]:
    try:
        with posix.scandir(folder) as entries:
            return list(entries)
    except OSError:
        return []


def lister(original: Function, listing: Listing) -> Function:
    """`os.listdir`."""
    merged = shielded(listing.merged, "listdir", changes=False)

    def listdir(path: Any = None) -> Any:
        folder = merged(path)
        if folder is None:
            return original(path)
        try:
            names = listing.names(folder)
        except OSError as error:
            named(error, error.filename, path)
            raise
        return [os.fsencode(name) for name in names] if _is_bytes(path) else names

    return listdir


def scanner(original: Function, listing: Listing) -> Function:
    """`os.scandir`."""
    merged = shielded(listing.merged, "scandir", changes=False)

    def scandir(path: Any = None) -> Any:
        folder = merged(path)
        if folder is None:
            return original(path)
        try:
            return Scan(listing.entries(folder, path))
        except OSError as error:
            named(error, error.filename, path)
            raise

    return scandir


def _is_bytes(name: Any) -> bool:
    return name is not None and not isinstance(name, int) and isinstance(os.fspath(name), bytes)


def working_folder(original: Function, tree: Tree) -> Function:
    """`os.getcwd`."""

    def getcwd() -> str:
        return tree.unrooted(original())[0]

    return getcwd


def working_folder_bytes(original: Function, tree: Tree) -> Function:
    """`os.getcwdb`."""

    def getcwdb() -> bytes:
        return os.fsencode(tree.unrooted(os.fsdecode(original()))[0])

    return getcwdb
