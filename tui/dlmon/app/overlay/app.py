"""The application that lays curves over each other, and the thread that reads them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import ClassVar

from textual.app import App
from textual.binding import BindingType
from textual.message import Message
from textual.screen import Screen

from dlmon.app.monitor_app import MonitorApp
from dlmon.app.overlay.screen import OverlayScreen
from dlmon.app.rehearsal.styled import Appearance
from dlmon.app.settings import Settings
from dlmon.compare.side import LETTERS, Side, SideReader
from dlmon.runs import open_run

PERIOD = 1.0  # seconds between two looks at runs that go on
PART_SECONDS = 0.25  # a long run shows what was read of it so far


class SidesRead(Message):
    """The runs as far as they were read."""

    def __init__(self, sides: Sequence[Side], complete: bool) -> None:
        super().__init__()
        self.sides, self.complete = tuple(sides), complete


class SidesFailed(Message):
    """Reading ended by an error."""

    def __init__(self, error: BaseException) -> None:
        super().__init__()
        self.error = error


class SidesFeed:
    """Reads the runs on a thread, and goes on while one of them does. ready: with (sides, whether all was read)."""

    def __init__(
        self,
        folders: Sequence[Path],
        ready: Callable[[Sequence[Side], bool], object],
        failed: Callable[[BaseException], object],
    ) -> None:
        self._folders, self._ready, self._failed = folders, ready, failed
        self._wake = threading.Event()
        self._stopped = False
        # A daemon: the screen must be able to leave while a slow disk is being read.
        self._thread = threading.Thread(target=self._run, name="dlmon-sides", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopped = True
        self._wake.set()

    def _run(self) -> None:
        try:
            pairs = zip(LETTERS, self._folders, strict=False)
            readers = [SideReader(letter, open_run(folder)) for letter, folder in pairs]
            drawn = -1
            while not self._stopped:
                behind = [reader.advance(limit=100_000, seconds=PART_SECONDS / len(readers)) for reader in readers]
                folded = sum(reader.folded for reader in readers)
                sides = [reader.side() for reader in readers] if folded != drawn or drawn < 0 else []
                if sides and not self._stopped:
                    drawn = folded
                    self._ready(sides, not any(behind))
                if not any(behind):
                    if sides and all(side.snapshot.over for side in sides):
                        return
                    self._wake.wait(PERIOD)
        except Exception as error:
            if not self._stopped:
                self._failed(error)


class OverlayApp(App[None]):
    """Runs until the person leaves."""

    ENABLE_COMMAND_PALETTE = False
    ALLOW_SELECT = False
    BINDINGS: ClassVar[list[BindingType]] = []
    CSS = MonitorApp.CSS

    def __init__(self, settings: Settings, folders: Sequence[Path]) -> None:
        super().__init__(ansi_color=True)
        self.title = "dlmon compare"
        self.overlay = OverlayScreen(Appearance(settings))
        self.feed = SidesFeed(
            folders,
            lambda sides, complete: self.post_message(SidesRead(sides, complete)),
            lambda error: self.post_message(SidesFailed(error)),
        )

    def get_default_screen(self) -> Screen[None]:
        return self.overlay

    def on_mount(self) -> None:
        self.call_after_refresh(self.feed.start)

    def on_sides_read(self, message: SidesRead) -> None:
        self.overlay.tell(message.sides, complete=message.complete)

    def on_sides_failed(self, message: SidesFailed) -> None:
        self.overlay.say(f"cannot read these runs: {message.error}")

    def on_unmount(self) -> None:
        self.feed.stop()
