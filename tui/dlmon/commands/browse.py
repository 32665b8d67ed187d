"""`dlmon ls` on a terminal: from the list to a run, a comparison or a report, and back."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from dlmon.commands.run import Look, show
from dlmon.errors import OK, UserError
from dlmon.headless.console import Console
from dlmon.rehearsal.report import RECORD
from dlmon.runs import open_run

if TYPE_CHECKING:
    from dlmon.app.browser.screen import Choice


def browse(runs: Path, look: Look, *, wanted: str = "", sort: str | None = None) -> int:
    """Until the person leaves the list. wanted, sort: as on the command line, checked already."""
    from dlmon.app.browser.listing import Listing
    from dlmon.app.main import run_browser
    from dlmon.catalogue.order import TIME, column_of
    from dlmon.catalogue.words import filter_of

    listing = Listing(filter=filter_of(wanted))
    if sort is not None and sort != TIME:
        column, reverse = column_of(sort)
        listing = listing.sorted_by(column, reverse=reverse)
    said = ""
    home, runs = Path.cwd(), runs.resolve()
    while True:
        choice = run_browser(runs, listing, said, ascii=look.ascii, theme=look.theme)
        if choice is None:
            return OK
        listing, said = choice.listing, ""
        try:
            _follow(choice, runs, look)
        except UserError as error:
            said = str(error)
        finally:
            os.chdir(home)  # coming back to a rehearsal goes to its folder


def _follow(choice: Choice, runs: Path, look: Look) -> None:
    from dlmon.app.browser.screen import COMPARE, OPEN

    if choice.action == OPEN:
        _open(choice.folders[0], look)
    elif choice.action == COMPARE:
        from dlmon.app.main import run_overlay

        for folder in choice.folders:
            open_run(folder)  # a rehearsal has no curves of its own: it says so
        run_overlay(choice.folders, ascii=look.ascii, theme=look.theme)
    else:
        _report(choice.folders, runs)


def _open(folder: Path, look: Look) -> None:
    if (folder / RECORD).exists():
        from dlmon.commands.rehearse import come_back

        come_back(folder, ascii=look.ascii, theme=look.theme)
        return
    run = open_run(folder)
    show(run.folder, "replay" if run.over else "attach", look)


def _report(folders: Sequence[Path], runs: Path) -> None:
    """On the terminal as it is without the screen, so that what is said can be read and copied."""
    from dlmon.commands.report import report

    console = Console()
    try:
        report([str(folder) for folder in folders], runs, output=None, as_json=False)
    except UserError as error:
        console.say([str(error)])
    console.say(["press enter to go back to the list"])
    try:
        input()
    except (EOFError, KeyboardInterrupt):
        return
