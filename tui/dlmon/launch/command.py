"""From what was typed after dlmon's options to the command line of the child."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from dlmon.errors import UserError
from dlmon.launch import interpreter as interpreters

_SUFFIXES = frozenset({".py", ".pyw"})


@dataclass(frozen=True)
class Command:
    """What to start. stem: the name that the run gets. script: the Python file, where there is one.

    python: None where the command brings its own (torchrun, a shell script). argv: as typed.
    """

    child: tuple[str, ...]
    argv: tuple[str, ...]
    stem: str
    script: Path | None = None
    python: str | None = None


def build(
    argv: Sequence[str], *, module: str | None = None, literal: bool = False, python: str | None = None
) -> Command:
    """The child of `dlmon [options] argv…`; `module`: of `-m`, `argv` then are its arguments.

    literal: `--` stood in front, so the first word is a command and never a script for Python.
    Raises UserError for a script or a command that cannot be started.
    """
    if module is not None:
        return _module(module, tuple(argv), python)
    if not argv:
        raise UserError("give the script to run: dlmon train.py, dlmon -m package.module or dlmon torchrun … train.py")
    first = Path(argv[0])
    if not literal and (first.suffix in _SUFFIXES or (first.is_dir() and (first / "__main__.py").exists())):
        return _script(first, tuple(argv), python)
    return _program(tuple(argv), python)


def _module(module: str, arguments: tuple[str, ...], python: str | None) -> Command:
    chosen = interpreters.choose(python)
    child = (chosen.path, "-m", module, *arguments)
    return Command(child, ("-m", module, *arguments), module.rpartition(".")[2] or module, None, chosen.path)


def _script(script: Path, argv: tuple[str, ...], python: str | None) -> Command:
    if not script.exists():
        raise UserError(_missing(script))
    main = script / "__main__.py" if script.is_dir() else script
    if not main.is_file():
        raise UserError(f"{script} is not a file; give the script to run")
    chosen = interpreters.choose(python, main)
    interpreters.check_syntax(main, chosen)
    return Command((chosen.path, *argv), argv, script.resolve().stem, main, chosen.path)


def _missing(script: Path) -> str:
    folder = script.parent
    if not folder.is_dir():
        return f"{script} does not exist: there is no folder {folder}"
    from difflib import get_close_matches

    names = [entry.name for entry in folder.iterdir() if entry.suffix in _SUFFIXES]
    near = get_close_matches(script.name, names, 1)
    hint = f"; did you mean {folder / near[0]}?" if near else "; check the name and the folder you are in"
    return f"{script} does not exist{hint}"


def _program(argv: tuple[str, ...], python: str | None) -> Command:
    """A console script, a launcher or a shell script: started as it is, found as a shell would find it."""
    name = argv[0]
    path = Path(name)
    if path.is_dir():
        raise UserError(f"{name} is a directory; give the script in it: dlmon {path / 'train.py'}")
    if path.suffix == ".ipynb":
        raise UserError(f"{name} is a notebook; make a script of it first: jupyter nbconvert --to script {name}")
    found = _find(name, python)
    if found is not None:
        return Command((found, *argv[1:]), argv, _stem(argv), _first_script(argv[1:]), None)
    if path.is_file():
        raise UserError(
            f"{name} is neither a Python file (.py) nor executable; try: chmod +x {name}, or dlmon -- bash {name}"
        )
    if os.sep in name:
        raise UserError(_missing(path))
    if Path(f"{name}.py").is_file():
        raise UserError(f"there is no command {name}; did you mean {name}.py?")
    raise UserError(f"there is no script and no command called {name}; check the name, or give its path")


def _find(name: str, python: str | None) -> str | None:
    """Where a command is: beside the Python that was named, on PATH, or beside dlmon's own Python (an environment
    that is not activated)."""
    if os.sep in name:
        return shutil.which(name)
    named = [Path(shutil.which(python) or python).parent] if python else []
    places = [*map(str, named), None, str(Path(sys.executable).parent)]
    return next((found for place in places if (found := shutil.which(name, path=place))), None)


def _first_script(words: Sequence[str]) -> Path | None:
    """The first existing Python file among the arguments of a launcher: `torchrun --nproc-per-node 2 train.py`."""
    return next((Path(word) for word in words if Path(word).suffix in _SUFFIXES and Path(word).is_file()), None)


def _stem(argv: Sequence[str]) -> str:
    script = _first_script(argv[1:])
    return script.stem if script is not None else Path(argv[0]).stem
