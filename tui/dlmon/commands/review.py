"""`dlmon review`: what the source of a training script tells without running it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from dlmon.checks.finding import ERROR, WARNING
from dlmon.errors import FAILED, OK, UserError
from dlmon.headless.console import Console


def review(argv: Sequence[str], *, module: str | None, as_json: bool) -> int:
    """Read a script, or the module of `-m`, with the local modules it imports. argv: the script, then its arguments,
    which are not used. Exit code 1 where an error or a warning was found. Raises UserError."""
    from dlmon.review import render
    from dlmon.review.locate import script_of
    from dlmon.review.read import review as read

    script = script_of(argv, module, Path.cwd())
    if script is None:
        what = f"-m {module}" if module else " ".join(argv) or "nothing"
        raise UserError(f"{what}: there is no Python source to read; give the script: dlmon review train.py")
    found = read(script, Path.cwd())
    Console().data([render.as_json(found)] if as_json else render.lines(found))
    return FAILED if found.count(ERROR) or found.count(WARNING) else OK
