"""`dlmon run`: start a training, and show it."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from dlmon.launch import command, start, terminal


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
) -> int:
    """Start and follow; the exit code of the training, or 0 after leaving it running. Raises UserError."""
    built = command.build(argv, module=module, literal=literal, python=python)
    started = start.start(built, runs, name=name, overhead=overhead)
    # From here on the training is on its way: what is imported now is imported beside torch.
    if look.on_screen:
        take_keys_from_terminal()
        from dlmon.app.main import run_app

        code = run_app(started.folder, mode="live", ascii=look.ascii, theme=look.theme)
        started.reap()
        return code
    started.reap()
    from dlmon.headless.live import follow

    return follow(started.folder, as_json=look.as_json, forward=True)


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


def take_keys_from_terminal() -> None:
    """With data piped into the training, the screen's keys come from the terminal itself."""
    if terminal.is_terminal(0):
        return
    with contextlib.suppress(OSError):
        keys = os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY)
        os.dup2(keys, 0)
        os.close(keys)
        sys.stdin = sys.__stdin__
