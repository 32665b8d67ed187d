"""`dlmon attach` and `dlmon replay`: a run that goes on, and one that is recorded, by us or by another tool."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING

from dlmon import text
from dlmon.commands.run import Look, show
from dlmon.errors import FAILED, OK, UserError
from dlmon.headless.console import Console
from dlmon.rehearsal.report import goes_on
from dlmon.runs import LAST, all_rehearsals, all_runs, find_rehearsal, resolve

if TYPE_CHECKING:
    from dlmon.interop.sources import Source

_LARGE = 20 << 20  # bytes; about two seconds


def attach(name: str | None, runs: Path, look: Look) -> int:
    """Follow a run; without a name the newest one that goes on, else the newest. One that is over is shown at its
    end."""
    look.check()
    name = name or _newest(runs)
    rehearsal = find_rehearsal(name, runs)
    if rehearsal is not None and look.on_screen:
        from dlmon.commands.rehearse import come_back

        return come_back(rehearsal, ascii=look.ascii, theme=look.theme)
    run = resolve(name, runs)
    if look.on_screen:
        return show(run.folder, "attach", look)
    if run.over:
        return replay(str(run.folder), runs, look, speed=None)
    from dlmon.headless.live import follow

    lost = follow(run.folder, as_json=look.as_json) is None
    return FAILED if lost else OK


def _newest(runs: Path) -> str:
    """The newest run or rehearsal that goes on, else the newest of all. Their names begin with their time."""
    rehearsals = all_rehearsals(runs)
    going = [run.folder.name for run in all_runs(runs) if not run.over]
    going += [folder.name for folder in rehearsals if goes_on(folder)]
    return max(going) if going else LAST


def replay(name: str, runs: Path, look: Look, *, speed: float | None) -> int:
    """Show a recorded run, or what another tool logged, from its beginning. speed: times the real one (headless: at
    once where None)."""
    if speed is not None and not speed > 0:
        raise UserError(f"--speed {speed:g}: give a number above 0, such as 10 for ten times as fast")
    look.check()
    from dlmon.interop.open import Following, grows, run_or_source

    found = run_or_source(name, runs)
    if isinstance(found, Path):
        return _replay(found, look, speed)
    if not look.on_screen or speed is not None or not grows(found):
        return _replay(_imported(found), look, speed)
    # Another tool's log that still grows: shown as a run that goes on.
    following = Following(found)
    try:
        return show(following.folder, "attach", look, back=f"dlmon replay {shlex.quote(name)}")
    finally:
        following.close()


def _imported(source: Source) -> Path:
    """The run made of it. That takes a while only the first time: afterwards it is kept."""
    from dlmon.interop.open import import_source

    size = source.size()
    if size > _LARGE:
        Console().say([f"reading {text.size(size)} of {text.clean(source.path.name)}"])
    return import_source(source)


def _replay(folder: Path, look: Look, speed: float | None) -> int:
    if look.on_screen and speed is None:
        return show(folder, "replay", look)
    from dlmon.headless.replay import replay as replay_headless

    replay_headless(folder, as_json=look.as_json, speed=speed)
    return OK
