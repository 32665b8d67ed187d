"""The code of two runs: the copies of the local sources that lie in their folders."""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from dlmon.record import layout

LARGEST = 2_000_000  # bytes of a file; what is longer is compared in its beginning
MOST_FILES = 500
CONTEXT = 1  # lines around a change

_WHOLE = re.compile(r"\b\d+\b")


@dataclass(frozen=True)
class FileChange:
    """One file. added, removed: lines. places: groups of changed lines. diff: in unified form, without its heads.

    how: "changed", "added" (only in the second run) or "removed". seeds: (before, after) of the lines where only the
    number of a seed was changed, when that is all there is.
    """

    path: str
    how: str
    added: int
    removed: int
    places: int
    diff: Sequence[str] = ()
    seeds: Sequence[tuple[str, str]] = ()


def sources_of(folder: Path) -> dict[str, str]:
    """The text of each copied file by its path. Links are not followed: someone else may have made the folder."""
    root = folder / layout.SOURCE
    found: dict[str, str] = {}
    for path in _files(root):
        try:
            with path.open("rb") as file:
                data = file.read(LARGEST)
        except OSError:
            continue
        found[path.relative_to(root).as_posix()] = data.decode("utf-8", "replace")
    return found


def _files(root: Path) -> Iterator[Path]:
    amount = 0
    for parent, folders, names in os.walk(root, followlinks=False):
        folders.sort()
        for name in sorted(names):
            path = Path(parent, name)
            if path.is_file() and not path.is_symlink():
                amount += 1
                if amount > MOST_FILES:
                    return
                yield path


def changes_between(before: Mapping[str, str], after: Mapping[str, str]) -> list[FileChange]:
    """What was changed, by path."""
    changes = []
    for path in sorted({*before, *after}):
        old, new = before.get(path), after.get(path)
        if old == new:
            continue
        how = "added" if old is None else "removed" if new is None else "changed"
        changes.append(_change(path, how, (old or "").splitlines(), (new or "").splitlines()))
    return changes


def _change(path: str, how: str, old: list[str], new: list[str]) -> FileChange:
    blocks = [
        code for code in difflib.SequenceMatcher(None, old, new, autojunk=False).get_opcodes() if code[0] != "equal"
    ]
    diff = [line.rstrip("\n") for line in difflib.unified_diff(old, new, n=CONTEXT, lineterm="")][2:]
    return FileChange(
        path, how,
        added=sum(end - start for _, _, _, start, end in blocks),
        removed=sum(end - start for _, start, end, _, _ in blocks),
        places=len(blocks),
        diff=tuple(diff),
        seeds=_seeds(blocks, old, new),
    )  # fmt: skip


def _seeds(
    blocks: Sequence[tuple[str, int, int, int, int]], old: Sequence[str], new: Sequence[str]
) -> tuple[tuple[str, str], ...]:
    """The changed lines where nothing but a seed's number was changed in the whole file; else empty."""
    pairs: list[tuple[str, str]] = []
    for kind, i1, i2, j1, j2 in blocks:
        if kind != "replace" or i2 - i1 != j2 - j1:
            return ()
        pairs += zip((line.strip() for line in old[i1:i2]), (line.strip() for line in new[j1:j2]), strict=True)
    only = all("seed" in one.lower() and _WHOLE.sub("#", one) == _WHOLE.sub("#", other) for one, other in pairs)
    return tuple(pairs) if only else ()
