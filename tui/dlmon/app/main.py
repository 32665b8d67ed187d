"""Opens the screen on a run. The only entrance to this package."""

from __future__ import annotations

import os
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from dlmon.app.settings import Settings, settings_for

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dlmon.app.browser.listing import Listing
    from dlmon.app.browser.screen import Choice
    from dlmon.rehearsal.driver import RehearsalLike

LIVE, ATTACH, REPLAY = "live", "attach", "replay"


def run_app(folder: Path, *, mode: str, ascii: bool = False, theme: str | None = None, back: str = "") -> int:
    """Show the run in `folder` until the person leaves.

    mode: "live" (just launched), "attach" or "replay". Returns the training's exit code if it was over by then, else
    0: after leaving a run that goes on, a line on stderr says how to come back. Raises UserError for a bad theme.
    back: the command that comes back, where it is not `dlmon attach`.
    """
    settings = settings_for(folder, ascii=ascii, theme=theme)
    _prepare_textual()
    code = _replay(settings) if mode == REPLAY else _live(settings)
    if code is not None or mode == REPLAY:
        return code or 0
    back = back or f"dlmon attach {folder.name}"
    print(f"dlmon: {folder.name} goes on; `{back}` comes back to it", file=sys.stderr)  # noqa: T201
    return 0


def run_rehearsal(rehearsal: RehearsalLike, *, ascii: bool = False, theme: str | None = None) -> int:
    """Show a rehearsal until the person leaves. The screen has it from here on, and closes it.

    Returns 1 when a stage failed, else 0; a line on stderr names the folder and says how to come back. Raises UserError
    for a bad theme.
    """
    settings = settings_for(rehearsal.folder, ascii=ascii, theme=theme)
    _prepare_textual()
    from dlmon.app.rehearsal.app import RehearsalApp
    from dlmon.app.rehearsal.farewell import farewell
    from dlmon.rehearsal.conclusion import conclude, exit_code

    app = RehearsalApp(rehearsal, settings, conclude=partial(conclude, command="press g"))
    try:
        app.run()
    finally:
        app.conductor.finish()
    print(f"dlmon: {farewell(rehearsal)}", file=sys.stderr)  # noqa: T201
    return exit_code(rehearsal.record, strict=False)


def run_overlay(folders: Sequence[Path], *, ascii: bool = False, theme: str | None = None) -> int:
    """Lay the curves of several runs over each other until the person leaves. Raises UserError for a bad theme."""
    settings = settings_for(folders[0], ascii=ascii, theme=theme)
    _prepare_textual()
    from dlmon.app.overlay.app import OverlayApp

    OverlayApp(settings, folders).run()
    return 0


def run_browser(
    runs: Path, listing: Listing | None = None, said: str = "", *, ascii: bool = False, theme: str | None = None
) -> Choice | None:
    """The list of runs until one is chosen; None when the person left. listing: as it stood before, to come back to.
    said: a line to begin with. Raises UserError for a bad theme."""
    settings = settings_for(runs, ascii=ascii, theme=theme)
    _prepare_textual()
    from dlmon.app.browser.app import BrowserApp
    from dlmon.app.browser.listing import Listing

    return BrowserApp(settings, listing or Listing(), said).run()


def _prepare_textual() -> None:
    """Read at its import: few redraws and no animation, since bytes to the terminal are bytes over SSH."""
    os.environ.setdefault("TEXTUAL_FPS", "10")
    os.environ.setdefault("TEXTUAL_ANIMATIONS", "none")
    # Textual would turn all colours to grey; the plain palette has none to begin with.
    os.environ.pop("NO_COLOR", None)


def _live(settings: Settings) -> int | None:
    from dlmon.app.monitor_app import MonitorApp
    from dlmon.app.screens.live import LiveMonitor
    from dlmon.app.source import LiveSource

    return MonitorApp(LiveMonitor(settings), lambda: LiveSource(settings.folder)).run()


def _replay(settings: Settings) -> int | None:
    from dlmon.app.monitor_app import MonitorApp
    from dlmon.app.replay import ReplaySource
    from dlmon.app.screens.replay import ReplayMonitor

    source = ReplaySource(settings.folder)
    app = MonitorApp(ReplayMonitor(settings, source), lambda: source)
    source.woken = app.feed.nudge
    return app.run()
