"""Curves of several runs over each other."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from textual.pilot import Pilot

from dlmon.app.keymap import OVERLAY, keys_for
from dlmon.app.overlay.app import OverlayApp
from dlmon.app.overlay.screen import OverlayScreen
from dlmon.app.settings import settings_for
from tests.app.test_screens import NARROW, WIDE, same_as_snapshot
from tests.compare.sides import falling, folder_of, story


def folders(tmp_path: Path) -> list[Path]:
    """A long run with evaluations, a shorter one, and one that broke before its first step."""
    made = {
        "20260730-101112-base": story(falling(300, 0.2, 0.05), [0.6, 0.4, 0.3]),
        "20260730-101113-wide": story(falling(200, 0.5, 0.02), [0.7, 0.6]),
        "20260730-101114-dead": story([]),
    }
    return [folder_of(tmp_path / name, told, code=int(name.endswith("dead"))) for name, told in made.items()]


@asynccontextmanager
async def overlay(
    shown: list[Path], size: tuple[int, int] = NARROW, *, ascii: bool = False
) -> AsyncIterator[tuple[OverlayScreen, Pilot[None]]]:
    app = OverlayApp(settings_for(shown[0], ascii=ascii, theme=None, environ={}), shown)
    async with app.run_test(size=size) as pilot:
        for _ in range(500):
            if app.overlay.curves.complete:
                break
            await pilot.pause(0.02)
        await pilot.pause()
        yield app.overlay, pilot


def text_of(screen: OverlayScreen) -> str:
    strips = screen.app.screen._compositor.render_strips()
    return "\n".join("".join(segment.text for segment in strip).rstrip() for strip in strips[: screen.app.size.height])


@pytest.mark.parametrize("size", [NARROW, WIDE], ids=["80x24", "160x48"])
async def test_pictures(tmp_path: Path, size: tuple[int, int]) -> None:
    async with overlay(folders(tmp_path), size) as (screen, _):
        shown = text_of(screen)
    assert all(len(row) <= size[0] for row in shown.splitlines())
    same_as_snapshot(f"overlay-{size[0]}x{size[1]}", shown)


async def test_ascii_tells_the_runs_apart(tmp_path: Path) -> None:
    async with overlay(folders(tmp_path), ascii=True) as (screen, _):
        shown = text_of(screen)
    assert shown.isascii()
    same_as_snapshot("overlay-ascii-80x24", shown)
    body = shown.splitlines()[4:-3]
    assert any("*" in row for row in body) and any("#" in row for row in body)
    assert any("A" in row for row in body) and any("B" in row for row in body)


async def test_keys_change_what_is_drawn(tmp_path: Path) -> None:
    async with overlay(folders(tmp_path)) as (screen, pilot):
        first = text_of(screen)
        assert first.startswith(" train loss   3 runs") and "no train loss" in first
        await pilot.press("c")
        await pilot.pause()
        assert text_of(screen).startswith(" val ")
        await pilot.press("C", "l")
        await pilot.pause()
        assert "log scale" in text_of(screen).splitlines()[0]
        await pilot.press("l", "x")
        await pilot.pause()
        timed = text_of(screen)
        assert "over time" in timed and "s" in timed.splitlines()[-2].split()
        # The runs take 0.1 s for a step: 300 steps are 30 s.
        assert "30" in timed.splitlines()[-2].split() and "300" not in timed.splitlines()[-2]
        await pilot.press("x", "m", "plus")
        await pilot.pause()
        zoomed = text_of(screen)
        assert "values" in zoomed.splitlines()[0] and "steps 1" in zoomed.splitlines()[0]
        app = pilot.app
        await pilot.press("q")
        await pilot.pause()
        assert not app.is_running


async def test_a_log_that_cannot_be_opened_is_said(tmp_path: Path) -> None:
    made = folders(tmp_path)
    (made[1] / "run.json").unlink()
    app = OverlayApp(settings_for(made[0], ascii=False, theme=None, environ={}), made)
    async with app.run_test(size=NARROW) as pilot:
        for _ in range(500):
            if "cannot read" in text_of(app.overlay):
                break
            await pilot.pause(0.02)
        assert "cannot read these runs" in text_of(app.overlay)


def test_every_key_does_something() -> None:
    seen: set[str] = set()
    for key in keys_for(OVERLAY):
        assert hasattr(OverlayScreen, "action_" + key.action.partition("(")[0]), key
        assert seen.isdisjoint(key.keys.split(",")), key
        seen.update(key.keys.split(","))
