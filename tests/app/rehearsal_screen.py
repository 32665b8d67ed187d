"""The rehearsal's screen without a terminal, over a played driver."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace

from textual.pilot import Pilot

from dlmon.app.rehearsal.app import RehearsalApp
from dlmon.app.rehearsal.screen import StepScreen
from dlmon.app.settings import settings_for
from dlmon.app.source import Frame
from dlmon.rehearsal.stages import STAGES
from tests.app.rehearsals import PlayedRehearsal

LOOKS = 400  # × 0.02 s: how long a test waits for what must happen


class Opened:
    """app, step: what is open. Keys go in by `press`; `text` is what the terminal shows."""

    def __init__(self, app: RehearsalApp, pilot: Pilot[int]) -> None:
        self.app, self.pilot = app, pilot

    @property
    def step(self) -> StepScreen:
        return self.app.step

    async def press(self, *keys: str) -> None:
        await self.pilot.press(*keys)
        await self.pilot.pause()

    async def choose(self, stage: str) -> None:
        while self.step.scene.chosen != stage:
            ahead = STAGES.index(stage) > STAGES.index(self.step.scene.chosen)
            await self.press("down" if ahead else "up")

    async def until(self, happened: Callable[[], object]) -> None:
        """Wait for what the conductor's thread brings about."""
        for _ in range(LOOKS):
            if happened():
                await self.pilot.pause()
                return
            await self.pilot.pause(0.02)
        raise AssertionError(f"waited in vain; the screen shows\n{self.text()}")

    def freeze(self, frame: Frame, seconds: float = 0.0) -> None:
        """Show this frame from now on, with the clock at a fixed time."""
        self.app._unfollow()
        stand = replace(self.step.scene.stand, began=0.0)
        self.step.scene = replace(self.step.scene, stand=stand)
        self.step._clock = lambda: seconds
        self.step.show(frame)

    def text(self) -> str:
        """What the terminal shows, without its trailing blanks."""
        strips = self.app.screen._compositor.render_strips()
        return "\n".join("".join(segment.text for segment in strip).rstrip() for strip in strips)


@asynccontextmanager
async def opened(
    rehearsal: PlayedRehearsal,
    size: tuple[int, int],
    *,
    conclusion: str = "",
    ascii: bool = False,
    theme: str | None = None,
) -> AsyncIterator[Opened]:
    """The screen on a rehearsal; closed, and the rehearsal with it, at the end."""
    rehearsal.folder.mkdir(parents=True, exist_ok=True)
    settings = settings_for(rehearsal.folder, ascii=ascii, theme=theme, environ={})
    app = RehearsalApp(rehearsal, settings, conclude=lambda _: conclusion)
    try:
        async with app.run_test(size=size) as pilot:
            await pilot.pause()
            yield Opened(app, pilot)
    finally:
        app.conductor.finish()
