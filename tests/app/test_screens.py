"""Whole screens as text, and what keys do to them.

The pictures are in snapshots/; `DLMON_UPDATE_SNAPSHOTS=1 pytest tests/app` draws them anew.
"""

from __future__ import annotations

import os
import re
from dataclasses import replace
from pathlib import Path

import pytest

from dlmon.app.source import Frame
from dlmon_probes import control
from tests.app import frames
from tests.app.screen import opened, text_of

SNAPSHOTS = Path(__file__).parent / "snapshots"
NARROW, WIDE = (80, 24), (160, 48)
FRAMES = {
    "none": lambda: None,
    "starting": lambda: frames.frame(frames.starting(), lines=0),
    "running": frames.frame,
    "cpu": lambda: frames.frame(frames.running(gpus=0)),
    "findings": lambda: frames.frame(found=frames.findings()),
    "dead": frames.dead_frame,
}


def same_as_snapshot(name: str, shown: str) -> None:
    path = SNAPSHOTS / f"{name}.txt"
    if os.environ.get("DLMON_UPDATE_SNAPSHOTS"):
        path.write_text(shown + "\n", encoding="utf-8")
    assert path.exists(), f"{path.name} is not there: DLMON_UPDATE_SNAPSHOTS=1 draws it"
    assert shown + "\n" == path.read_text(encoding="utf-8")


@pytest.mark.parametrize("size", [NARROW, WIDE], ids=["80x24", "160x48"])
@pytest.mark.parametrize("name", FRAMES)
async def test_pictures(name: str, size: tuple[int, int]) -> None:
    async with opened(FRAMES[name](), size) as (monitor, _):
        shown = text_of(monitor)
    assert all(len(row) <= size[0] for row in shown.splitlines())
    same_as_snapshot(f"{name}-{size[0]}x{size[1]}", shown)


@pytest.mark.parametrize(
    ("key", "name"),
    [("2", "gradients"), ("3", "machine"), ("4", "stages"), ("5", "progress"), ("6", "output"), ("7", "findings")],
)
async def test_tabs(key: str, name: str) -> None:
    async with opened(frames.frame(found=frames.findings()), NARROW) as (monitor, pilot):
        await pilot.press(key)
        await pilot.pause()
        same_as_snapshot(f"tab-{name}-80x24", text_of(monitor))


@pytest.mark.parametrize("key", ["question_mark", "q", "enter"])
async def test_dialogs(key: str) -> None:
    async with opened(frames.frame(found=frames.findings()), NARROW) as (monitor, pilot):
        before = text_of(monitor)
        await pilot.press(key)
        await pilot.pause()
        same_as_snapshot(f"dialog-{key}-80x24", text_of(monitor))
        await pilot.press("escape")
        await pilot.pause()
        assert text_of(monitor) == before


async def test_ascii_is_ascii() -> None:
    odd = replace(frames.findings()[0], title="épöch ×3 → 漢字 ✓")
    async with opened(frames.frame(found=(odd,)), WIDE, ascii=True) as (monitor, pilot):
        assert text_of(monitor).isascii()
        for key in ("2", "3", "4", "5", "6", "7"):
            await pilot.press(key)
            assert text_of(monitor).isascii()
        await pilot.press("question_mark")
        await pilot.pause()
        assert text_of(monitor).isascii()
        same_as_snapshot("ascii-160x48", text_of(monitor))


@pytest.mark.parametrize("theme", ["plain", "terminal"])
async def test_the_same_words_without_colour(theme: str) -> None:
    async with opened(frames.frame(found=frames.findings()), WIDE) as (dark, _):
        coloured = text_of(dark)
    async with opened(frames.frame(found=frames.findings()), WIDE, theme=theme) as (monitor, _):
        assert text_of(monitor) == coloured
        strips = monitor.app.screen._compositor.render_strips()
        colours = {segment.style.color for strip in strips for segment in strip if segment.style}
        if theme == "plain":
            assert {colour for colour in colours if colour and not colour.is_default} == set()


async def test_too_small_is_one_calm_line_and_passes() -> None:
    async with opened(frames.frame(), (60, 12)) as (monitor, pilot):
        assert text_of(monitor).split() == ["dlmon", "needs", "80×24", "characters;", "here", "are", "60×12"]
        await pilot.resize_terminal(80, 24)
        await pilot.pause()
        assert "stripes_cnn.py   training" in text_of(monitor)
        await pilot.resize_terminal(160, 48)
        await pilot.pause()
        assert "gradient health" in text_of(monitor)
        await pilot.resize_terminal(79, 30)
        await pilot.pause()
        assert "dlmon needs 80×24 characters" in text_of(monitor)


async def test_nothing_of_the_training_reaches_the_terminal_as_an_escape() -> None:
    evil = "\x1b[2J\x1b]0;title\x07[bold]x[/bold]\x9b31m\u202e"
    where = frames.events.Where(f"/tmp/{evil}.py", 3, evil, evil)
    found = (replace(frames.findings()[0], title=f"bad {evil}", advice=evil, where=where, evidence={evil: evil}),)
    run = frames.running(
        command=(f"{evil}.py",), detail=evil, epoch=evil, notices=(evil,),
        series=(replace(frames.series(100), name=evil, where=where),),
        parameters=(frames.parameter(0, evil, 0.1),),
        smoke=(frames.ChecklistItem(evil, "pass", evil),),
        bars=(frames.BarView(0, frames.events.Bar(0.0, 1, evil, 1, 10, evil, 2.0, postfix=evil)),),
    )  # fmt: skip
    frame = replace(frames.frame(run, found), output=frames.OutputLines((evil, evil), 2, evil))
    async with opened(frame, WIDE) as (monitor, pilot):
        for keys in ((), ("2",), ("6",), ("7",), ("enter",)):
            await pilot.press(*keys)
            await pilot.pause()
            strips = monitor.app.screen._compositor.render_strips()
            shown = "".join(segment.text for strip in strips for segment in strip)
            assert not re.search("[\x00-\x1f\x7f-\x9f\u202a-\u202e]", shown)
            assert all(sum(segment.cell_length for segment in strip) == WIDE[0] for strip in strips)
        assert "[bold]x" in shown, "markup is text"


# ---- keys


async def test_zoom_gives_a_panel_the_screen_and_puts_it_back() -> None:
    async with opened(frames.frame(), WIDE) as (monitor, pilot):
        before = text_of(monitor)
        await pilot.press("2", "z")
        assert "machine" not in text_of(monitor).split("? help")[0]
        await pilot.press("escape", "escape")
        await pilot.pause()
        assert text_of(monitor) == before


async def test_filtering_parameters_while_typing() -> None:
    async with opened(frames.frame(), NARROW) as (monitor, pilot):
        await pilot.press("slash", *"clas")
        await pilot.pause()
        shown = text_of(monitor)
        assert "parameters with: clas" in shown
        assert "classifier.bias" in shown
        assert "embedding" not in shown
        await pilot.press("q", "enter")
        await pilot.pause()
        assert "no parameter has “clasq” in its name" in text_of(monitor), "while typing, q is a letter"
        await pilot.press("escape")
        assert "embedding" in text_of(monitor)


async def test_folding_by_module() -> None:
    async with opened(frames.frame(), NARROW) as (monitor, pilot):
        await pilot.press("2", "f")
        assert "features.3 (2)" in text_of(monitor)


async def test_searching_the_output_and_following_again() -> None:
    async with opened(frames.frame(lines=200), NARROW) as (monitor, pilot):
        await pilot.press("6", "slash", *"epoch 21", "enter")
        await pilot.press("slash", "ctrl+u", *"epoch 20", "enter")
        await pilot.pause()
        assert "“epoch 20” in 4 lines" in text_of(monitor)
        assert "epoch 20  batch 300" in text_of(monitor)
        assert "epoch 50" not in text_of(monitor)
        await pilot.press("escape")
        assert "epoch 50  batch 300" in text_of(monitor)
        await pilot.press("up")
        monitor.show(frames.frame(lines=300))
        await pilot.pause()
        assert "epoch 75" not in text_of(monitor), "new lines do not pull a reader who scrolled up"
        await pilot.press("end")
        assert "epoch 75  batch 300" in text_of(monitor)


async def test_chart_keys() -> None:
    async with opened(frames.frame(), NARROW) as (monitor, pilot):
        await pilot.press("l")
        assert "log scale" in text_of(monitor)
        await pilot.press("plus")
        assert re.search(r"steps 6\d\d–1,283", text_of(monitor))
        await pilot.press("left", "left")
        assert re.search(r"step 1,2\d\d: loss 0\.\d+", text_of(monitor))
        await pilot.press("escape", "c")
        assert "accuracy" in text_of(monitor)


async def test_freezing_holds_the_view() -> None:
    async with opened(frames.frame(), NARROW) as (monitor, pilot):
        await pilot.press("v")
        monitor.show(frames.frame(frames.running(2000)))
        await pilot.pause()
        assert "step 1,284" in text_of(monitor)
        assert "view held (v)" in text_of(monitor)
        await pilot.press("v")
        await pilot.pause()
        assert "step 2,000" in text_of(monitor), "what came meanwhile is shown at once"


async def test_themes_go_round_and_the_screenshot_is_saved(tmp_path: Path) -> None:
    async with opened(frames.frame(), WIDE, folder=tmp_path) as (monitor, pilot):
        await pilot.press("t")
        assert "theme: light" in text_of(monitor)
        await pilot.press("s")
        await pilot.pause()
        (saved,) = tmp_path.glob("screen-*.svg")
        assert "gradient" in saved.read_text()
        assert "saved" in text_of(monitor)


async def test_a_screenshot_that_cannot_be_saved_is_one_line(tmp_path: Path) -> None:
    async with opened(frames.frame(), WIDE, folder=tmp_path / "gone") as (monitor, pilot):
        await pilot.press("s")
        await pilot.pause()
        assert "cannot save screen-" in text_of(monitor)


async def test_pause_and_single_steps_reach_the_control_page(tmp_path: Path) -> None:
    control.create(str(tmp_path))
    page = control.ControlPage(str(tmp_path))
    async with opened(frames.frame(), NARROW, folder=tmp_path) as (monitor, pilot):
        await pilot.press("space")
        assert page.read(control.PAUSE) == 1
        await pilot.press("full_stop", "full_stop")
        assert page.read(control.GRANTED) == 2
        assert "one step" in text_of(monitor)
        await pilot.press("space")
        assert page.read(control.PAUSE) == 0
    page.close()


async def test_without_a_control_page_it_says_so(tmp_path: Path) -> None:
    async with opened(frames.frame(), NARROW, folder=tmp_path) as (monitor, pilot):
        await pilot.press("space")
        assert "cannot pause: the run has no control page" in text_of(monitor)


async def test_leaving_a_running_training_returns_nothing_of_its_end() -> None:
    async with opened(frames.frame(), NARROW) as (monitor, pilot):
        await pilot.press("q", "l")
        await pilot.pause()
        assert monitor.app.return_value is None
        assert monitor.app._exit


async def test_stopping_without_a_supervisor_says_so(tmp_path: Path) -> None:
    async with opened(frames.frame(), NARROW, folder=tmp_path) as (monitor, pilot):
        await pilot.press("q", "s")
        await pilot.pause()
        assert "is not supervised any more" in text_of(monitor)


async def test_a_run_that_is_over_is_left_at_once_with_its_exit_code() -> None:
    async with opened(frames.dead_frame(), NARROW) as (monitor, pilot):
        await pilot.press("q")
        await pilot.pause()
        assert monitor.app.return_value == 1


async def test_a_dead_run_gives_the_middle_back_when_asked() -> None:
    async with opened(frames.dead_frame(), NARROW) as (monitor, pilot):
        await pilot.press("3")
        assert "GPU 0" in text_of(monitor)
        await pilot.press("escape", "escape")
        await pilot.pause()
        assert "fc1 expects 400 features" in text_of(monitor)


async def test_clicking_tabs_and_panels() -> None:
    async with opened(frames.frame(), NARROW) as (monitor, pilot):
        await pilot.click(monitor.tabs, offset=(20, 0))
        assert monitor.current == "machine"
    async with opened(frames.frame(), WIDE) as (monitor, pilot):
        await pilot.click(monitor.gradients, offset=(5, 5))
        assert "▸ 2 gradient health" in text_of(monitor)


async def test_only_changed_cells_are_drawn_again(monkeypatch: pytest.MonkeyPatch) -> None:
    async with opened(frames.frame(), WIDE) as (monitor, _):
        drawn: list[object] = []
        for widget in monitor._lines:
            monkeypatch.setattr(widget, "refresh", lambda *regions, name=widget.id: drawn.append((name, regions)))
        monitor.show(frames.frame())
        assert drawn == [], "an equal frame draws nothing"
        monitor.show(frames.frame(frames.running(elapsed=373.0)))
        ((name, regions),) = drawn
        assert name == "header"
        assert sum(region.width for region in regions) < 60


async def test_the_strip_grows_and_shrinks_with_what_it_has_to_say() -> None:
    long = replace(frames.findings()[0], title="gradients are never cleared: " + "at 2 of 2 sampled steps " * 6)
    async with opened(frames.frame(), WIDE) as (monitor, pilot):
        for found, rows in (((long,), 2), ((), 1), (frames.findings(), 3)):
            monitor.show(frames.frame(found=found))
            await pilot.pause()
            assert monitor.strip.size.height == rows
            assert text_of(monitor).splitlines()[1 + rows].startswith("╭─ ▸ 1 loss")


async def test_a_panel_that_fails_says_so_and_the_others_go_on() -> None:
    broken = frames.running(machine=replace(frames.machine(), cpu=("not a number",)))
    async with opened(frames.frame(broken), WIDE) as (monitor, _):
        shown = text_of(monitor)
        assert "dlmon could not draw this: TypeError" in shown
        assert "gradient health" in shown
        assert "val loss" in shown


async def test_the_first_paint_needs_no_frame() -> None:
    async with opened(None, NARROW) as (monitor, _):
        assert "starting" in text_of(monitor)
        assert isinstance(monitor.frame, Frame)
