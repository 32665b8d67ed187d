"""Other checkers that take a script as it stands, run on the same files by `diagnosis.py`."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

# What mldoct prints is a drawn table; its linter's own list is the same without the drawing.
_MLDOCT = """
import contextlib, io, json, sys
from mldoctor.linter import lint_script
with contextlib.redirect_stdout(io.StringIO()):
    issues = lint_script(sys.argv[1])[0]
print(json.dumps([issue["severity"].lower() + " " + issue["type"] for issue in issues]))
"""
_TORCHFIX = re.compile(r"^\S+?:\d+:\d+: (TOR\d+)", re.MULTILINE)


@dataclass(frozen=True)
class Rival:
    """A checker. said: from a script's path to what it said of it, one word or two per remark; remarks on style and
    on speed that come with nearly every script are left out, since they are not what is asked here."""

    title: str
    said: Callable[[Path], list[str]]


def installed_rivals(python: str) -> list[Rival]:
    """Those that the given interpreter has. Raises RuntimeError where it has none."""
    found = []
    for package, title, said in (("torchfix", "torchfix", _torchfix), ("mldoctor", "mldoct", _mldoct)):
        version = _output(
            python, "-c", f"from importlib.metadata import version; import {package}; print(version('{title}'))"
        )
        if version.strip():
            found.append(Rival(f"{title} {version.strip()}", lambda path, said=said: said(python, path)))  # type: ignore[misc]
    if not found:
        raise RuntimeError(f"{python} has neither torchfix nor mldoct")
    return found


def _torchfix(python: str, path: Path) -> list[str]:
    # Its default rules: the others are about num_workers and about torch itself.
    return _TORCHFIX.findall(_output(python, "-m", "torchfix", str(path)))


def _mldoct(python: str, path: Path) -> list[str]:
    told: list[str] = json.loads(_output(python, "-c", _MLDOCT, str(path)) or "[]")
    # "No gradient clipping" (info) and "num_workers=0" (warning) come with nearly every script.
    return [word for word in told if not word.startswith("info") and not word.endswith("cpu_bottleneck")]


def _output(python: str, *arguments: str) -> str:
    return subprocess.run([python, *arguments], capture_output=True, text=True, timeout=60).stdout
