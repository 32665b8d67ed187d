"""Which Python file a command line runs."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from pathlib import Path

from dlmon.errors import UserError

_SUFFIXES = (".py", ".pyw")


def script_of(argv: Sequence[str], module: str | None, cwd: Path) -> Path | None:
    """The script among the words of a command (`train.py --lr 1`, `torchrun -m pkg.train`, a folder with a
    `__main__.py`), or the file of a local module. None where no Python source is named. Raises UserError for a
    script that does not exist."""
    if module is not None:
        return _module(module, cwd)
    for index, word in enumerate(argv):
        path = cwd / word
        if path.suffix in _SUFFIXES:
            if not path.is_file():
                raise UserError(_missing(word, path))
            return path
        if index == 0 and (path / "__main__.py").is_file():
            return path / "__main__.py"
        if word == "-m" and index + 1 < len(argv):
            found = _module(argv[index + 1], cwd)
            if found is not None:
                return found
    return None


def _module(name: str, cwd: Path) -> Path | None:
    place = cwd.joinpath(*name.split("."))
    for path in (place.with_suffix(".py"), place / "__main__.py"):
        if path.is_file():
            return path
    return None


def _missing(word: str, path: Path) -> str:
    names = [entry.name for entry in path.parent.iterdir()] if path.parent.is_dir() else []
    near = difflib.get_close_matches(path.name, [name for name in names if name.endswith(_SUFFIXES)], 1)
    hint = f"; did you mean {near[0]}?" if near else "; check the name and the folder you are in"
    return f"{word} does not exist{hint}"
