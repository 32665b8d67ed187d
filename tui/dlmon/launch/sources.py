"""Copies of the local source files that a script is made of, and the state of its git repository.

Which files a script imports is read off their syntax trees, from the script's folder: the supervisor cannot look into
the training, and at launch the files are what they were when it read them.
"""

from __future__ import annotations

import ast
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

from dlmon.record import layout
from dlmon.record.manifest import Git

MOST_FILES = 200
MOST_BYTES = 2_000_000
LARGEST_DIFF = 5_000_000
GIT_SECONDS = 2.0


def local_sources(script: Path, cwd: Path) -> list[Path]:
    """The script and the modules below its folder or `cwd` that it imports, directly or not. Unreadable ones end the
    search there; at most 200 files and 2 MB."""
    roots = [script.resolve().parent, cwd.resolve()]
    found: dict[Path, None] = {}
    waiting = [script.resolve()]
    size = 0
    while waiting and len(found) < MOST_FILES:
        path = waiting.pop(0)
        if path in found:
            continue
        try:
            text = path.read_bytes()
        except OSError:
            continue
        size += len(text)
        if size > MOST_BYTES:
            break
        found[path] = None
        waiting.extend(_imported(text, path, roots))
    return list(found)


def _imported(text: bytes, path: Path, roots: list[Path]) -> Iterator[Path]:
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield from _files(roots, alias.name.split("."))
        elif isinstance(node, ast.ImportFrom):
            names = [alias.name for alias in node.names]
            base = node.module.split(".") if node.module else []
            folders = [path.parents[node.level - 1]] if 0 < node.level <= len(path.parents) else roots
            yield from _files(folders, base)
            for name in names:
                yield from _files(folders, [*base, name])


def _files(roots: list[Path], parts: list[str]) -> Iterator[Path]:
    """The file of a module and the `__init__.py` of the packages above it, where they are local."""
    for root in roots:
        place = root
        for part in parts:
            place = place / part
            if (place / "__init__.py").is_file():
                yield place / "__init__.py"
        if parts and place.with_suffix(".py").is_file():
            yield place.with_suffix(".py")
            return


def copy_sources(script: Path, cwd: Path, folder: Path) -> int:
    """Put copies into the run folder's source/, by their paths relative to `cwd`; how many. Raises OSError."""
    target = folder / layout.SOURCE
    copied = 0
    for path in local_sources(script, cwd):
        relative = Path(os.path.relpath(path, cwd.resolve()))
        if relative.is_absolute() or ".." in relative.parts:
            relative = Path(path.name)
        place = target / relative
        place.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        place.write_bytes(path.read_bytes())
        copied += 1
    return copied


def git_state(cwd: Path, folder: Path) -> Git | None:
    """The commit, and the uncommitted changes as git.diff in the run folder. None outside a repository, without git,
    or when git takes longer than 2 s."""
    try:
        commit = _git(cwd, "rev-parse", "HEAD").decode("ascii", "replace").strip()
        dirty = bool(_git(cwd, "status", "--porcelain", "--untracked-files=no").strip())
        if not dirty:
            return Git(commit, False, "")
        diff = _git(cwd, "diff", "--no-color", "--no-ext-diff", "HEAD")
        (folder / layout.GIT_DIFF).write_bytes(diff[:LARGEST_DIFF])
    except (OSError, subprocess.SubprocessError):
        return None
    return Git(commit, True, layout.GIT_DIFF)


def _git(cwd: Path, *arguments: str) -> bytes:
    done = subprocess.run(
        # Reading must not take the lock that the user's own git may be waiting for.
        ["git", "--no-optional-locks", *arguments],
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=GIT_SECONDS,
        check=True,
    )
    return done.stdout
