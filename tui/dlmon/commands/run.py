"""`dlmon run`: start a training, and show it."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from dlmon import text
from dlmon.errors import FAILED, reason
from dlmon.headless.console import Console
from dlmon.launch import command, start, terminal
from dlmon.launch.forwarding import Forwarder
from dlmon.record.manifest import read_manifest
from dlmon.runs import short, shown_name
from dlmon.watch import start as watch
from dlmon.watch.orders import Orders

if TYPE_CHECKING:
    from dlmon.interop.mirror import Mirroring


@dataclass(frozen=True)
class Look:
    """How a run is shown. as_json: events on stdout."""

    headless: bool = False
    as_json: bool = False
    ascii: bool = False
    theme: str | None = None

    @property
    def on_screen(self) -> bool:
        """Whether there is a terminal for a screen, and it is wanted."""
        wanted = not self.headless and not self.as_json
        return wanted and _terminal_for_a_screen()

    def check(self) -> None:
        """Raises UserError for a theme that there is not, before anything is started."""
        if self.theme is not None:
            from dlmon.app.settings import settings_for

            settings_for(Path(), ascii=self.ascii, theme=self.theme)


def run(
    argv: Sequence[str],
    *,
    module: str | None,
    literal: bool,
    python: str | None,
    runs: Path,
    name: str | None,
    overhead: float,
    look: Look,
    orders: Orders,
    tensorboard: str | None = None,
) -> int:
    """Start and follow; the exit code of the training, or 0 after leaving it running. Raises UserError.

    tensorboard: a folder that gets the run as TensorBoard events while it goes on.
    """
    look.check()
    orders.check()
    events_folder = _events_folder(tensorboard)
    built = command.build(argv, module=module, literal=literal, python=python)
    forwarder = None if look.on_screen else Forwarder()
    if forwarder is not None:
        forwarder.install()
    started = start.start(built, runs, name=name, overhead=overhead)
    # From here on the training is on its way: what is imported now is imported beside torch.
    watching = _watch(started.folder, orders)
    mirroring = _mirror(started.folder, events_folder)
    if forwarder is None:
        code = show(started.folder, "live", look)
        over = _over(started.folder)
    else:
        started.reap()
        from dlmon.headless.live import follow

        ended = follow(started.folder, as_json=look.as_json, forwarder=forwarder)
        code, over = FAILED if ended is None else ended, True
    for beside in (watching, mirroring):
        if beside is not None and over:
            Console().say(beside.finish())
    return code


def _events_folder(given: str | None) -> Path | None:
    if given is None:
        return None
    from dlmon.interop import mirror

    return mirror.check(given)


def _mirror(folder: Path, target: Path | None) -> Mirroring | None:
    """The live mirror, in a process of its own. Without it the training goes on all the same."""
    if target is None:
        return None
    from dlmon.interop import mirror

    try:
        return mirror.start(folder, target)
    except OSError as error:
        Console().say([f"no TensorBoard events are written: {reason(error)}"])
        return None


def _watch(folder: Path, orders: Orders) -> watch.Watching | None:
    """The watcher of conditions, in a process of its own. Without one the training goes on all the same."""
    try:
        return watch.start(folder, orders)
    except OSError as error:
        Console().say([f"conditions are not watched: {reason(error)}"])
        return None


def _over(folder: Path) -> bool:
    manifest = read_manifest(folder)
    return manifest is not None and manifest.outcome is not None


def show(folder: Path, mode: str, look: Look, *, back: str = "") -> int:
    """Open the screen on a run; mode: "live", "attach" or "replay". Returns the exit code. back: as of `run_app`."""
    _take_keys_from_terminal()
    from dlmon.app.main import run_app

    code = run_app(folder, mode=mode, ascii=look.ascii, theme=look.theme, back=back)
    if mode == "live":
        _say_how_it_ended(folder)
    return code


def _say_how_it_ended(folder: Path) -> None:
    """The screen is gone, and with it what it said."""
    manifest = read_manifest(folder)
    if manifest is None or manifest.outcome is None:
        return
    outcome = manifest.outcome
    by = f" ({outcome.signal})" if outcome.signal else ""
    line = f"exit code {outcome.code}{by} after {text.duration(outcome.seconds)}, recorded in {short(folder)}"
    Console().say([f"{line}; look at it again with: dlmon replay {shown_name(folder)}"])


def _terminal_for_a_screen() -> bool:
    if os.environ.get("TERM", "dumb") == "dumb":
        return False
    if not (terminal.is_terminal(1) and terminal.is_terminal(2)):
        return False
    return terminal.is_terminal(0) or _can_open_terminal()


def _can_open_terminal() -> bool:
    try:
        os.close(os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY))
    except OSError:
        return False
    return True


def _take_keys_from_terminal() -> None:
    """With data piped into the training, the screen's keys come from the terminal itself."""
    if terminal.is_terminal(0):
        return
    with contextlib.suppress(OSError):
        keys = os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY)
        os.dup2(keys, 0)
        os.close(keys)
        sys.stdin = sys.__stdin__
