"""An app without a terminal, fed by hand."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from textual.pilot import Pilot

from dlmon.app.monitor_app import MonitorApp
from dlmon.app.screens.live import LiveMonitor
from dlmon.app.screens.monitor import Monitor
from dlmon.app.settings import settings_for
from dlmon.app.source import Frame


class StillSource:
    """Gives one frame, once."""

    def __init__(self, frame: Frame | None) -> None:
        self.frame = frame

    def poll(self) -> Frame | None:
        frame, self.frame = self.frame, None
        return frame

    def close(self) -> None:
        pass


@asynccontextmanager
async def opened(
    frame: Frame | None,
    size: tuple[int, int],
    *,
    folder: Path = Path("20260730-101112-stripes_cnn"),
    ascii: bool = False,
    theme: str | None = None,
    monitor: Monitor | None = None,
) -> AsyncIterator[tuple[Monitor, Pilot[int]]]:
    """A monitor on a screen of `size` that shows `frame` (or nothing yet)."""
    shown = monitor or LiveMonitor(settings_for(folder, ascii=ascii, theme=theme, environ={}))
    app = MonitorApp(shown, lambda: StillSource(None))
    async with app.run_test(size=size) as pilot:
        if frame is not None:
            shown.show(frame)
        await pilot.pause()
        yield shown, pilot


def text_of(monitor: Monitor) -> str:
    """What the terminal shows, without its trailing blanks."""
    _, height = monitor.app.size
    strips = monitor.app.screen._compositor.render_strips()
    rows = ["".join(segment.text for segment in strip).rstrip() for strip in strips]
    return "\n".join(rows[:height])
