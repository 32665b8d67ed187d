"""Which Python runs the script: the one that `python train.py` would have meant, and that has torch."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from dlmon.errors import UserError, reason

OLDEST = (3, 9)  # of the Pythons that the probes run in
_ASK_SECONDS = 20.0
# Without the working folder on its path: a `json.py` there is the user's.
_QUESTION = (
    "import sys; sys.path[:] = [path for path in sys.path if path]; import importlib.util; "
    "print(*sys.version_info[:2], int(importlib.util.find_spec('torch') is not None))"
)


@dataclass(frozen=True)
class Interpreter:
    """A Python that can be started. why: how it was come by, for messages. version: (major, minor)."""

    path: str
    version: tuple[int, int]
    torch: bool
    why: str


def choose(given: str | None, script: Path | None = None) -> Interpreter:
    """The Python for a script: `--python`, else the first of these that has torch: the active virtual or conda
    environment, dlmon's own, the script's shebang, a .venv in the working folder, `python` and `python3` on PATH.

    Raises UserError when none has torch, or the given one cannot be started, is too old or has none.
    """
    if given is not None:
        return _given(given)
    tried: list[str] = []
    for path, why in candidates(script):
        found = ask(path, why)
        if found is not None and found.torch and found.version >= OLDEST:
            return found
        tried.append(f"{path} ({why})")
    raise UserError(
        f"no Python with torch was found; looked at {', '.join(tried)}: "
        "activate the training's environment, or name its Python with --python"
    )


def _given(given: str) -> Interpreter:
    path = shutil.which(given) or given
    if not Path(path).is_file():
        raise UserError(f"--python {given}: there is no such file; give the path of the training's Python")
    found = ask(str(Path(path).absolute()), "--python")  # not resolved: a virtual environment is known by its link
    if found is None:
        raise UserError(f"--python {given}: it cannot be started as a Python")
    if found.version < OLDEST:
        raise UserError(
            f"--python {given} is Python {_dotted(found.version)}; the probes need {_dotted(OLDEST)} or newer"
        )
    if not found.torch:
        raise UserError(f"--python {given} has no torch; install it there, or name the Python that has it")
    return found


def candidates(script: Path | None) -> Iterator[tuple[str, str]]:
    """(path, why) of the Pythons to look at, in order, each once."""
    seen: set[str] = set()
    for path, why in _wanted(script):
        if path not in seen and os.access(path, os.X_OK):
            seen.add(path)
            yield path, why


def _wanted(script: Path | None) -> Iterator[tuple[str, str]]:
    for variable in ("VIRTUAL_ENV", "CONDA_PREFIX"):
        if prefix := os.environ.get(variable):
            own = os.path.realpath(prefix) == os.path.realpath(sys.prefix)
            yield sys.executable if own else str(Path(prefix, "bin", "python")), f"active {variable}"
    yield sys.executable, "dlmon's own"
    if script is not None and (named := shebang(script)):
        yield named, "the script's first line"
    yield str(Path(".venv/bin/python").absolute()), "the .venv here"
    for name in ("python", "python3"):
        if found := shutil.which(name):
            yield found, f"{name} on PATH"


def shebang(script: Path) -> str | None:
    """The Python that a script's `#!` line names, None when there is none or it is no Python."""
    try:
        with script.open("rb") as file:
            first = file.readline(256)
    except OSError:
        return None
    words = first[2:].decode("utf-8", "replace").split() if first.startswith(b"#!") else []
    if words and Path(words[0]).name == "env":
        words = [word for word in words[1:] if not word.startswith("-") and "=" not in word]
    if not words or not Path(words[0]).name.startswith("python"):
        return None
    return shutil.which(words[0])


def ask(path: str, why: str) -> Interpreter | None:
    """Version of a Python and whether torch can be found there (not imported). None when it cannot be started."""
    if path == sys.executable:
        has_torch = importlib.util.find_spec("torch") is not None
        return Interpreter(path, sys.version_info[:2], has_torch, why)
    try:
        answer = subprocess.run(
            [path, "-c", _QUESTION], stdin=subprocess.DEVNULL, capture_output=True, timeout=_ASK_SECONDS, check=True
        )
        major, minor, found = map(int, answer.stdout.splitlines()[-1].split())
        return Interpreter(path, (major, minor), bool(found), why)
    except (OSError, subprocess.SubprocessError, ValueError, IndexError):
        return None


def check_syntax(script: Path, interpreter: Interpreter) -> None:
    """Raises UserError with line and column when the script cannot be compiled (only judged by the same version)."""
    try:
        source = script.read_bytes()
    except OSError as error:
        raise UserError(f"cannot read {script}: {reason(error)}") from None
    if b"\0" in source[:4096]:
        raise UserError(f"{script} is not a Python file: it holds binary data")
    if interpreter.version != sys.version_info[:2]:
        return
    import warnings

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the run itself will show them
            compile(source, str(script), "exec", dont_inherit=True)
    except SyntaxError as error:
        place = f"{script}:{error.lineno}" + (f":{error.offset}" if error.offset else "")
        text = (error.text or "").strip()[:60]
        raise UserError(f"{place}: {error.msg}" + (f" in `{text}`" if text else "") + "; nothing was run") from None
    except (ValueError, RecursionError, MemoryError):
        return  # Python itself will say what it thinks of it


def _dotted(version: tuple[int, int]) -> str:
    return f"{version[0]}.{version[1]}"
