"""`dlmon compare`: what was changed between runs, and what came of it."""

from __future__ import annotations

import json
import shlex
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from dlmon.commands.run import Look
from dlmon.errors import FAILED, OK, UserError, reason
from dlmon.headless.console import Console

MOST_COLUMNS = 100


def compare(names: Sequence[str], runs: Path, look: Look, *, fail_if: Sequence[str], note: str | None) -> int:
    """Compare runs with the first one; exit code 1 when a condition holds. Raises UserError.

    look.headless: no screen was asked for. Conditions are judged and the note is written with a screen, too.
    """
    from dlmon.compare import threshold
    from dlmon.compare.side import LETTERS, read_side, runs_of

    look.check()
    conditions = threshold.understood(fail_if)
    chosen = runs_of(names, runs)
    if look.on_screen and not conditions and not note:
        return _overlay([run.folder for run in chosen], look)
    if not look.headless and not look.as_json and not look.on_screen:
        Console().say(["--screen needs a terminal; here is the text"])
    from dlmon.compare.comparison import compared

    sides = [read_side(letter, run, with_facts=bool(conditions)) for letter, run in zip(LETTERS, chosen)]
    verdicts = threshold.judged(conditions, sides)
    comparison = compared(sides, verdicts)
    console = Console()
    if look.as_json:
        console.data([json.dumps(comparison.as_json(), indent=1, ensure_ascii=False, allow_nan=False)])
    else:
        from dlmon.compare import curves, text

        width = min(MOST_COLUMNS, shutil.get_terminal_size((MOST_COLUMNS, 24)).columns)
        shown = [*text.lines(comparison, width), *curves.charts(sides, width, ascii=_ascii(look))]
        console.data([_as_ascii(line) for line in shown] if _ascii(look) else shown)
    if note is not None:
        from dlmon.compare.note import note as written

        _write(Path(note).expanduser(), written(comparison, shlex.join(["dlmon", "compare", *names])))
        console.say([f"wrote {note}: question and conclusion are yours to fill in"])
    if look.on_screen:
        _overlay([run.folder for run in chosen], look)
    return FAILED if any(verdict.holds for verdict in verdicts) else OK


def _overlay(folders: Sequence[Path], look: Look) -> int:
    from dlmon.app.main import run_overlay

    return run_overlay(folders, ascii=look.ascii, theme=look.theme)


def _write(path: Path, text: str) -> None:
    """A note that is there already is somebody's work."""
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise UserError(f"{path} is there already and is not written over: name another file") from None
    except OSError as error:
        raise UserError(f"cannot write {path}: {reason(error)}") from None


def _ascii(look: Look) -> bool:
    return look.ascii or "utf" not in (sys.stdout.encoding or "").lower()


_LOOK_ALIKES = str.maketrans({"–": "-", "…": "~", "±": "~", "×": "x", "µ": "u", "→": ">", "’": "'"})


def _as_ascii(line: str) -> str:
    return line.translate(_LOOK_ALIKES).encode("ascii", "replace").decode("ascii")
