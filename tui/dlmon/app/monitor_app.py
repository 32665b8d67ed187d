"""The application: one monitor, fed by one source."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

from textual.app import App
from textual.binding import BindingType
from textual.message import Message
from textual.screen import Screen

from dlmon.app.feed import Feed
from dlmon.app.screens.monitor import Monitor
from dlmon.app.source import Source


class FrameReady(Message):
    """The feed has a frame to take."""


class FeedFailed(Message):
    """The feed ended by an error of dlmon's own."""

    def __init__(self, error: BaseException) -> None:
        super().__init__()
        self.error = error


class MonitorApp(App[int]):
    """Runs until the person leaves; returns the exit code of a run that is over, None after leaving a running one."""

    ENABLE_COMMAND_PALETTE = False
    ALLOW_SELECT = False
    BINDINGS: ClassVar[list[BindingType]] = []
    CSS = "Screen { background: ansi_default; } Dialog { background: transparent; }"

    def __init__(self, monitor: Monitor, make_source: Callable[[], Source]) -> None:
        super().__init__(ansi_color=True)
        self.monitor = monitor
        self.title = monitor.settings.name
        self.feed = Feed(make_source, lambda: self.post_message(FrameReady()), self._failed)

    def get_default_screen(self) -> Screen[None]:
        return self.monitor

    def on_mount(self) -> None:
        # After the first paint: what reading imports would delay it.
        self.call_after_refresh(self.feed.start)

    def on_frame_ready(self) -> None:
        frame = self.feed.take()
        if frame is not None:
            self.monitor.show(frame)

    def _failed(self, error: BaseException) -> None:
        self.post_message(FeedFailed(error))

    def on_feed_failed(self, message: FeedFailed) -> None:
        self.monitor.say(f"dlmon cannot read this run any further: {message.error!r}; the training is not affected")

    def on_unmount(self) -> None:
        self.feed.stop()
