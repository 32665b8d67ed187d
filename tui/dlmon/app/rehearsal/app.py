"""The application of `dlmon step`: the checklist, and over it a stage's evidence or the full run's monitor."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from textual.app import App
from textual.binding import BindingType
from textual.message import Message
from textual.screen import Screen

from dlmon.app.feed import Feed
from dlmon.app.monitor_app import MonitorApp
from dlmon.app.rehearsal.conductor import Conductor, News
from dlmon.app.rehearsal.full import FullMonitor
from dlmon.app.rehearsal.screen import StepScreen
from dlmon.app.rehearsal.stand import Stand
from dlmon.app.rehearsal.styled import Appearance
from dlmon.app.settings import Settings
from dlmon.app.source import LiveSource
from dlmon.rehearsal.report import StageReport
from dlmon_probes.stages.plan import FULL

if TYPE_CHECKING:  # the driver's imports are not for the screen to wait for
    from dlmon.rehearsal.driver import RehearsalLike


class Told(Message):
    """The conductor has news."""

    def __init__(self, news: News) -> None:
        super().__init__()
        self.news = news


class FrameReady(Message):
    """A feed has a frame to take."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.folder = folder


class FeedFailed(FrameReady):
    """A feed ended by an error of dlmon's own."""

    def __init__(self, folder: Path, error: BaseException) -> None:
        super().__init__(folder)
        self.error = error


class OpenFull(Message):
    """Show the monitor of the full run, which goes on."""


class RehearsalApp(App[int]):
    """Runs until the person leaves."""

    ENABLE_COMMAND_PALETTE = False
    ALLOW_SELECT = False
    BINDINGS: ClassVar[list[BindingType]] = []
    CSS = MonitorApp.CSS

    def __init__(
        self,
        rehearsal: RehearsalLike,
        settings: Settings,
        *,
        conclude: Callable[[Sequence[StageReport]], str | None] = lambda _: None,
    ) -> None:
        super().__init__(ansi_color=True)
        self.title = settings.name
        self.appearance = Appearance(settings)
        self.conductor = Conductor(rehearsal, lambda news: self.post_message(Told(news)))
        self.step = StepScreen(self.appearance, self.conductor, conclude=conclude)
        self._feed: Feed | None = None
        self._followed: Path | None = None
        self._monitor: FullMonitor | None = None

    def get_default_screen(self) -> Screen[None]:
        return self.step

    def on_mount(self) -> None:
        # After the first paint: what a driver imports would delay it.
        self.call_after_refresh(self.conductor.start)

    def on_unmount(self) -> None:
        self._unfollow()

    def on_told(self, message: Told) -> None:
        stand = message.news.stand
        opened = stand.running == FULL and stand.folder is not None and stand.folder != self._followed
        self._follow(stand)
        self.step.tell(message.news)
        if opened:
            self.on_open_full()
        if message.news.ended is not None and self._monitor is not None:
            self._monitor.say("the full run is over: q goes back to the checklist")

    # ---- the run of the stage that goes on

    def _follow(self, stand: Stand) -> None:
        """Read the run of the running stage; that of a full run also after its end, for its monitor."""
        if not stand.running and self._monitor is None:
            self._unfollow()
        folder = stand.folder
        if folder is None or folder == self._followed:
            return
        self._unfollow()
        self._followed = folder
        self._feed = Feed(
            lambda: LiveSource(folder),
            lambda: self.post_message(FrameReady(folder)),
            lambda error: self.post_message(FeedFailed(folder, error)),
        )
        self._feed.start()

    def _unfollow(self) -> None:
        if self._feed is not None:
            self._feed.stop()
        self._feed = self._followed = None

    def on_frame_ready(self, message: FrameReady) -> None:
        if self._feed is None or message.folder != self._followed:
            return
        frame = self._feed.take()
        if frame is None:
            return
        self.step.show(frame)
        if self._monitor is not None:
            self._monitor.show(frame)

    def on_feed_failed(self, message: FeedFailed) -> None:
        self.step.say(f"dlmon cannot read this stage any further: {message.error!r}; the training is not affected")

    # ---- the full run

    def on_open_full(self) -> None:
        if self._followed is None or self._monitor is not None:
            return
        self._monitor = FullMonitor(self._followed, self.appearance, self.step.scene.frame, self.conductor.abort)
        self.push_screen(self._monitor, lambda _: self._left_monitor())

    def _left_monitor(self) -> None:
        self._monitor = None
        if not self.step.scene.stand.running:
            self._unfollow()
