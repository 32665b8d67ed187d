"""A rehearsal leaves the user's files as they are: what the script writes goes to `<run>/files/<path>`, and is read
back from there. Installed at the start of every Python process of a stage, before the user's code.

Covered is what Python does: `open`, `os`, and all that stands on them (pathlib, shutil, tempfile, zipfile, logging…).
Libraries that write from C get their own translation in `savers`; what gets past both is listed by an audit hook. Other
programs (os.system, subprocess) write for real and are not seen.
"""

from __future__ import annotations

import builtins
import functools
import io
import os
import posix
import sys
from _thread import get_ident
from types import ModuleType
from typing import Any, Optional

from dlmon_probes.stages.files import journal, overlay_calls, overlay_listing
from dlmon_probes.stages.files.overlay_calls import Function, one_path
from dlmon_probes.stages.files.overlay_changes import Changes
from dlmon_probes.stages.files.overlay_paths import Territory, keep_temporary_files_apart, project_folders
from dlmon_probes.stages.files.overlay_rename import Renames
from dlmon_probes.stages.files.overlay_tree import Tree

_KEPT_MODULES = {"posix", "_io", "nt"}  # the originals; importlib reads through them
_busy: set[int] = set()  # threads within a patched call
_active: Optional[Overlay] = None


class Overlay:
    """The parts of one process's overlay."""

    def __init__(self, run: str, project: tuple[str, ...]) -> None:
        self.run = run
        self.journal = journal.Journal(run)
        self.tree = Tree(run, Territory(run, project))
        self.changes = Changes(self.tree, self.journal)
        self.renames = Renames(self.tree, self.changes, self.journal)

    def writing(self, name: Any, how: str) -> Any:
        """For code that opens by itself: where to write what the script named. Raises OSError."""
        place = self.changes.opening(name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, how=how)
        return name if place is None else place

    def updating(self, name: Any, how: str) -> Any:
        """As `writing`, for code that keeps what the file holds."""
        place = self.changes.opening(name, os.O_RDWR | os.O_CREAT, how=how)
        return name if place is None else place

    def reading(self, name: Any) -> Any:
        """Where to read what the script named."""
        place = self.tree.reading(name)
        return name if place is None else place

    def missed(self, name: Any) -> None:
        """Something was changed by a call that nobody translated: list it, unless it may be written."""
        spot = self.tree.spot(name)
        if spot is not None and not self.tree.territory.passes(spot[0]):
            self.journal.wrote(spot[0], "", "audit")


class Patched:
    """Stands where a built-in function stood. Like one it does not bind to instances, and pickles by its name."""

    def __init__(self, original: Function, replacement: Function, module: str) -> None:
        functools.update_wrapper(self, original)
        self.__module__ = module
        self._replacement = replacement

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        me = get_ident()
        if me in _busy:
            return self._replacement(*args, **kwargs)
        _busy.add(me)
        try:
            return self._replacement(*args, **kwargs)
        finally:
            _busy.discard(me)

    def __reduce__(self) -> str:
        return str(self.__name__)  # type: ignore[attr-defined]

    def __repr__(self) -> str:
        return repr(self.__wrapped__)  # type: ignore[attr-defined]


def active() -> Optional[Overlay]:
    """This process's overlay; None outside of rehearsals."""
    return _active


def install(run: str, cwd: str) -> None:
    """Put the overlay of the run in folder `run` in place. cwd: where the first process of the stage works."""
    global _active
    from dlmon_probes.stages.files import programs, savers

    if _active is not None or not os.path.isdir(run):
        return
    run = os.path.realpath(run)
    project = project_folders(cwd)
    keep_temporary_files_apart(project)
    overlay = Overlay(run, project)
    replaced = {id(original): patched for original, patched in _patches(overlay)}
    for module in list(sys.modules.values()):
        _replace_in(module, replaced)
    _replace_accessor(replaced)
    _extend_supports(replaced)
    _active = overlay
    savers.watch()
    programs.watch()
    os.register_at_fork(after_in_child=_after_fork)
    sys.addaudithook(journal.hook(_busy, get_ident, overlay.missed))


def _after_fork() -> None:
    _busy.clear()
    if _active is not None:
        _active.journal.forget()


def _patches(overlay: Overlay) -> list[tuple[Function, Patched]]:
    tree, changes, renames = overlay.tree, overlay.changes, overlay.renames
    opened = Patched(io.open, overlay_calls.open_file(io.open, tree, changes), "io")
    found = [(io.open, opened)]

    def put(name: str, replacement: Function) -> None:
        original = getattr(os, name)
        found.append((original, Patched(original, replacement, "os")))

    put("open", overlay_calls.open_descriptor(os.open, tree, changes))
    put("access", overlay_calls.accessor(os.access, tree))
    for name in ("stat", "statvfs", "listxattr", "getxattr", "pathconf"):
        if hasattr(os, name):
            put(name, one_path(getattr(os, name), tree.reading, changes=False))
    for name in ("lstat", "readlink"):
        put(name, one_path(getattr(os, name), tree.reading, changes=False, follow=False))
    for name in ("truncate", "chmod", "chown", "utime", "setxattr", "removexattr", "chflags"):
        if hasattr(os, name):
            put(name, one_path(getattr(os, name), changes.altering, changes=True))
    for name in ("lchown", "lchmod", "lchflags"):
        if hasattr(os, name):
            put(name, one_path(getattr(os, name), changes.altering, changes=True, follow=False))
    for name in ("mkdir", "mkfifo", "mknod"):
        put(name, one_path(getattr(os, name), lambda path, fd, _follow: changes.making(path, fd), changes=True))
    for name in ("remove", "unlink"):
        put(name, overlay_calls.remover(getattr(os, name), changes.removing))
    put("rmdir", overlay_calls.remover(os.rmdir, changes.removing_folder))
    for name in ("rename", "replace"):
        put(name, overlay_calls.mover(getattr(os, name), renames))
    put("link", overlay_calls.linker(os.link, renames))
    put("symlink", overlay_calls.symlinker(os.symlink, changes))
    listing = overlay_listing.Listing(tree, one_path(posix.stat, tree.reading, changes=False))
    put("listdir", overlay_listing.lister(os.listdir, listing))
    put("scandir", overlay_listing.scanner(os.scandir, listing))
    put("chdir", overlay_calls.changer(os.chdir, tree))
    put("getcwd", overlay_listing.working_folder(os.getcwd, tree))
    put("getcwdb", overlay_listing.working_folder_bytes(os.getcwdb, tree))
    return found


def _replace_in(module: Any, replaced: dict[int, Patched]) -> None:
    """In every module that is loaded: `from os import stat` and `_open = open` at its top have kept the originals."""
    if not isinstance(module, ModuleType):
        return
    name = module.__name__
    if name in _KEPT_MODULES or name.startswith(("_frozen_importlib", "importlib._bootstrap", "dlmon_probes")):
        return
    names = module.__dict__
    for attribute, value in list(names.items()):
        patched = replaced.get(id(value))
        if patched is not None:
            names[attribute] = patched


def _replace_accessor(replaced: dict[int, Patched]) -> None:
    """pathlib of Python 3.9 and 3.10 keeps the functions in a class."""
    accessor: Any = getattr(sys.modules.get("pathlib"), "_NormalAccessor", None)
    for attribute, value in list(vars(accessor).items()) if accessor is not None else ():
        patched = replaced.get(id(getattr(value, "__func__", value)))
        if patched is not None:
            setattr(accessor, attribute, patched)


def _extend_supports(replaced: dict[int, Patched]) -> None:
    """shutil and others ask `os.stat in os.supports_dir_fd`."""
    for name in ("supports_dir_fd", "supports_fd", "supports_follow_symlinks", "supports_effective_ids"):
        functions: set[Any] = getattr(os, name)
        functions.update([replaced[id(function)] for function in functions if id(function) in replaced])


assert builtins.open is io.open  # one object: patched once
