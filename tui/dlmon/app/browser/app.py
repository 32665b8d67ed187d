"""The application of `dlmon ls` on a terminal."""

from __future__ import annotations

from typing import ClassVar

from textual.app import App
from textual.binding import BindingType
from textual.message import Message
from textual.screen import Screen

from dlmon.app.browser.listing import Listing
from dlmon.app.browser.reader import Part, RowsReader
from dlmon.app.browser.screen import BrowserScreen, Choice
from dlmon.app.monitor_app import MonitorApp
from dlmon.app.rehearsal.styled import Appearance
from dlmon.app.settings import Settings
from dlmon.runs import short


class RowsRead(Message):
    """The reader has rows."""

    def __init__(self, part: Part) -> None:
        super().__init__()
        self.part = part


class ReadingFailed(Message):
    """The reader ended by an error."""

    def __init__(self, error: BaseException) -> None:
        super().__init__()
        self.error = error


class LookAgain(Message):
    """A key has changed these runs."""

    def __init__(self, names: tuple[str, ...]) -> None:
        super().__init__()
        self.names = names


class BrowserApp(App[Choice]):
    """Runs until a run is chosen or the person leaves (None)."""

    ENABLE_COMMAND_PALETTE = False
    ALLOW_SELECT = False
    BINDINGS: ClassVar[list[BindingType]] = []
    CSS = MonitorApp.CSS

    def __init__(self, settings: Settings, listing: Listing, said: str = "") -> None:
        """said: a line to begin with, such as why a run could not be opened."""
        super().__init__(ansi_color=True)
        self.title = "dlmon"
        self._said = said
        self.appearance = Appearance(settings)
        self.browser = BrowserScreen(self.appearance, short(settings.folder), listing)
        self.reader = RowsReader(
            settings.folder,
            lambda part: self.post_message(RowsRead(part)),
            lambda error: self.post_message(ReadingFailed(error)),
        )

    def get_default_screen(self) -> Screen[None]:
        return self.browser

    def on_mount(self) -> None:
        self.call_after_refresh(self.reader.start)
        if self._said:
            self.browser.say(self._said)

    def on_rows_read(self, message: RowsRead) -> None:
        self.browser.tell(message.part)

    def on_reading_failed(self, message: ReadingFailed) -> None:
        self.browser.say(f"cannot read the runs any further: {message.error}")

    def on_look_again(self, message: LookAgain) -> None:
        self.reader.look_again(*message.names)

    def on_unmount(self) -> None:
        self.reader.stop()
