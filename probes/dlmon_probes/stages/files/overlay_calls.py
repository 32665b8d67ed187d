"""The functions of `os` and `open` as the script calls them in a rehearsal: each asks the overlay for a place first.

Signatures are those of the originals. An error names what the script named. If the overlay itself fails, a call that
reads goes on as it would have; one that changes something fails (EIO), because the user's files come first.
"""

from __future__ import annotations

import errno
import functools
import os
import posix
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Callable, Optional

from dlmon_probes.inject import failures
from dlmon_probes.stages.files.overlay_changes import Changes
from dlmon_probes.stages.files.overlay_rename import Renames
from dlmon_probes.stages.files.overlay_tree import Tree

_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
Function = Callable[..., Any]


def shielded(find: Function, name: str, changes: bool) -> Function:
    """`find`, with its own failures (not the OSErrors that it means) turned into what they should do to the script."""

    @functools.wraps(find)
    def found(*args: Any, **kwargs: Any) -> Any:
        try:
            return find(*args, **kwargs)
        except OSError:
            raise
        except Exception as error:
            failures.note(f"overlay: {name}", error)
            if changes:
                raise OSError(errno.EIO, f"dlmon cannot keep this file apart ({error})", args[0]) from None
            return None

    return found


def named(error: OSError, place: str, name: Any) -> None:
    """Put the script's own name into an error that has ours."""
    if error.filename == place:
        error.filename = name


@contextmanager
def both_named(old: Any, new: Any) -> Iterator[None]:
    """Errors within name both of the script's paths, as the originals do."""
    try:
        yield
    except OSError as error:
        error.filename, error.filename2 = old, new
        raise


def one_path(original: Function, find: Function, changes: bool, follow: bool = True) -> Function:
    """A function whose first argument is a path. find(name, dir_fd, follow) gives its place."""
    find = shielded(find, original.__name__, changes)

    def call(*args: Any, **kwargs: Any) -> Any:
        if args:
            name, rest = args[0], args[1:]
        elif "path" in kwargs:
            name, rest = kwargs.pop("path"), ()
        else:
            return original(*args, **kwargs)
        follows = follow and kwargs.get("follow_symlinks", True)
        place = find(name, kwargs.get("dir_fd"), follows)
        if place is None:
            return original(name, *rest, **kwargs)
        kwargs.pop("dir_fd", None)
        try:
            return original(place, *rest, **kwargs)
        except OSError as error:
            named(error, place, name)
            raise

    return call


def accessor(original: Function, tree: Tree) -> Function:
    """`os.access`: whatever is wrong with a path means no."""
    asked = one_path(original, tree.reading, changes=False)

    def access(*args: Any, **kwargs: Any) -> bool:
        try:
            return bool(asked(*args, **kwargs))
        except OSError:
            return False

    return access


def open_file(original: Function, tree: Tree, changes: Changes) -> Function:
    """`open`: the file keeps the name that the script gave; only the descriptor comes from elsewhere."""
    reading = shielded(tree.reading, "open", changes=False)
    opening = shielded(changes.opening, "open", changes=True)

    def writer(name: Any, flags: int) -> int:
        return _opened(opening, name, flags, 0o666)

    def reader(place: str, name: Any, flags: int) -> int:
        try:
            return posix.open(place, flags, 0o666)
        except OSError as error:
            named(error, place, name)
            raise

    def open(
        file: Any, mode: Any = "r", buffering: int = -1, encoding: Any = None, errors: Any = None,
        newline: Any = None, closefd: bool = True, opener: Any = None,
    ) -> Any:  # fmt: skip
        if opener is None and not isinstance(file, int) and isinstance(mode, str):
            if "w" in mode or "a" in mode or "x" in mode or "+" in mode:
                opener = writer
            else:
                place = reading(file)
                if place is not None:
                    opener = functools.partial(reader, place)
        return original(file, mode, buffering, encoding, errors, newline, closefd, opener)

    return open


def open_descriptor(original: Function, tree: Tree, changes: Changes) -> Function:
    """`os.open`."""
    reading = shielded(tree.reading, "os.open", changes=False)
    opening = shielded(changes.opening, "os.open", changes=True)

    def open(path: Any, flags: int, mode: int = 0o777, *, dir_fd: Optional[int] = None) -> Any:
        if isinstance(flags, int) and flags & _WRITING:
            return _opened(opening, path, flags, mode, dir_fd)
        place = reading(path, dir_fd, not flags & os.O_NOFOLLOW)
        if place is None:
            return original(path, flags, mode, dir_fd=dir_fd)
        try:
            return original(place, flags, mode)
        except OSError as error:
            named(error, place, path)
            raise

    return open


def _opened(opening: Function, name: Any, flags: int, mode: int, dir_fd: Optional[int] = None) -> int:
    place = opening(name, flags, dir_fd)
    if place is None:
        return posix.open(name, flags, mode, dir_fd=dir_fd)
    try:
        return posix.open(place, flags, mode)
    except OSError as error:
        named(error, place, name)
        raise


def remover(original: Function, change: Function) -> Function:
    """`os.remove`, `os.unlink`, `os.rmdir`."""
    remove = shielded(change, original.__name__, changes=True)

    def call(path: Any, *, dir_fd: Optional[int] = None) -> None:
        def really(place: str) -> None:
            try:
                original(place)
            except OSError as error:
                named(error, place, path)
                raise

        if not remove(path, dir_fd, really):
            original(path, dir_fd=dir_fd)

    return call


def mover(original: Function, renames: Renames) -> Function:
    """`os.rename`, `os.replace`."""
    rename = shielded(renames.rename, original.__name__, changes=True)

    def call(src: Any, dst: Any, *, src_dir_fd: Optional[int] = None, dst_dir_fd: Optional[int] = None) -> None:
        with both_named(src, dst):
            done = rename(src, dst, src_dir_fd, dst_dir_fd)
        if not done:
            original(src, dst, src_dir_fd=src_dir_fd, dst_dir_fd=dst_dir_fd)

    return call


def linker(original: Function, renames: Renames) -> Function:
    """`os.link`."""
    hard = shielded(renames.link, "link", changes=True)

    def link(
        src: Any, dst: Any, *, src_dir_fd: Optional[int] = None, dst_dir_fd: Optional[int] = None,
        follow_symlinks: bool = True,
    ) -> None:  # fmt: skip
        # Without descriptors Python calls link(), which follows no link on Linux.
        by_fd = src_dir_fd is not None or dst_dir_fd is not None
        with both_named(src, dst):
            done = hard(src, dst, src_dir_fd, dst_dir_fd, follow_symlinks and (by_fd or sys.platform == "darwin"))
        if not done:
            original(src, dst, src_dir_fd=src_dir_fd, dst_dir_fd=dst_dir_fd, follow_symlinks=follow_symlinks)

    return link


def symlinker(original: Function, changes: Changes) -> Function:
    """`os.symlink`: the text of the link stays as given; it is followed as the script would see it."""
    making = shielded(changes.making, "symlink", changes=True)

    def symlink(src: Any, dst: Any, target_is_directory: bool = False, *, dir_fd: Optional[int] = None) -> None:
        with both_named(src, dst):
            place = making(dst, dir_fd)
            if place is not None:
                original(src, place, target_is_directory)
        if place is None:
            original(src, dst, target_is_directory, dir_fd=dir_fd)
            return
        changes.linked(dst, dir_fd)

    return symlink


def changer(original: Function, tree: Tree) -> Function:
    """`os.chdir`: into the real folder where there is one, else into the overlay's."""

    def place_of(path: Any) -> Optional[str]:
        spot = tree.spot(path) if tree.begun() else None
        if spot is None:
            return None
        canonical, exact = spot
        if tree.territory.passes(canonical) or tree.really(canonical):
            return None if exact else canonical
        return tree.root + canonical

    find = shielded(place_of, "chdir", changes=False)

    def chdir(path: Any) -> None:
        place = find(path)
        if place is None:
            original(path)
            return
        try:
            original(place)
        except OSError as error:
            named(error, place, path)
            raise

    return chdir
