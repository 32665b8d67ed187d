"""Leaving a rehearsal, coming back to it, and going on to the full run."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from dlmon.rehearsal.report import INCONCLUSIVE, StageReport
from tests.app import frames
from tests.app.rehearsal_screen import Opened, opened
from tests.app.rehearsals import ENGINE, OVERFIT, REVIEW, SMOKE, SUBSET, played

NARROW = (80, 24)


# ---- leaving


async def test_leaving_an_idle_rehearsal_asks_nothing(tmp_path: Path) -> None:
    async with opened(played(tmp_path), NARROW) as screen:
        await screen.press("q")
        assert screen.app._exit


async def _underway(screen: Opened) -> None:
    """Start the next stage; where that is the full run, go back from its monitor."""
    await screen.press("enter")
    await screen.until(lambda: screen.step.scene.stand.folder is not None)
    if screen.step.scene.stand.running == "full":
        await screen.until(lambda: screen.app.screen is not screen.step)
        await screen.press("q", "l")
        await screen.until(lambda: screen.app.screen is screen.step)


UNDERWAY = pytest.mark.parametrize(
    "done", [(REVIEW,), (REVIEW, SMOKE, ENGINE, OVERFIT, SUBSET)], ids=["smoke", "full"]
)  # fmt: skip


@UNDERWAY
async def test_stopping_a_stage_keeps_what_was_found_and_leaves(tmp_path: Path, done: Sequence[StageReport]) -> None:
    reh = played(tmp_path, done, at_once=False)
    async with opened(reh, NARROW) as screen:
        await _underway(screen)
        running = screen.step.scene.stand.running
        await screen.press("q", "escape")
        assert not screen.app._exit
        await screen.press("q", "s")
        await screen.until(lambda: screen.app._exit)
        report = reh.record.report(running)
        assert report is not None
        assert report.verdict == INCONCLUSIVE
    assert reh.asked[-1] == "close"
    assert "leave" not in reh.asked


@UNDERWAY
async def test_a_stage_can_be_left_going(tmp_path: Path, done: Sequence[StageReport]) -> None:
    reh = played(tmp_path, done, at_once=False)
    async with opened(reh, NARROW) as screen:
        await _underway(screen)
        await screen.press("q")
        assert "it goes on, `dlmon attach` comes back to it" in screen.text()
        await screen.press("l")
        await screen.until(lambda: screen.app._exit)
    assert reh.asked[-2:] == ["leave", "close"], "first it is let go, then nothing is left to stop"
    assert reh.running is not None


async def test_coming_back_to_a_stage_that_goes_on(tmp_path: Path) -> None:
    reh = played(tmp_path, (REVIEW,), at_once=False)
    reh.folder.mkdir()
    reh.begin("smoke")
    async with opened(reh, NARROW) as screen:
        await screen.until(lambda: screen.step.scene.stand.running == "smoke")
        assert "▸ smoke    running" in screen.text()
        reh.finish()
        await screen.until(lambda: "✓ smoke    pass" in screen.text())


# ---- the full run


async def test_g_opens_the_monitor_and_leaving_it_comes_back(tmp_path: Path) -> None:
    reh = played(tmp_path, (REVIEW, SMOKE), at_once=False)
    async with opened(reh, NARROW) as screen:
        await screen.press("g")
        await screen.until(lambda: screen.app.screen is not screen.step)
        assert "[1 loss] 2 grads" in screen.text()
        await screen.press("q")
        assert "back to the checklist: the training goes on" in screen.text()
        await screen.press("l")
        await screen.until(lambda: screen.app.screen is screen.step)
        assert "▸ full     running" in screen.text()
        await screen.press("g")
        await screen.until(lambda: "[1 loss] 2 grads" in screen.text())
        reh.finish()
        await screen.until(lambda: "the full run is over: q goes back to the checklist" in screen.text())
        screen.app._monitor.show(frames.frame(frames.running(state="finished", exit_code=0)))
        await screen.press("q")
        await screen.until(lambda: screen.app.screen is screen.step)
        assert "✓ full     pass" in screen.text()
        await screen.press("g")
        assert "the full run is over" in screen.text(), "hours of training are not begun again by one key"
    assert reh.asked == ["begin full", "close"]


async def test_a_theme_chosen_anywhere_holds_everywhere(tmp_path: Path) -> None:
    async with opened(played(tmp_path, (REVIEW, SMOKE)), NARROW) as screen:
        await screen.choose("smoke")
        await screen.press("e", "t", "q")
        assert screen.step.appearance.palette.name == "light"
        assert screen.step.checklist.role_styles == screen.step.appearance.palette.styles()
