"""The list of runs on the screen: rows, filter, order, marks, removing, and what leads out of it."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from textual.pilot import Pilot

from dlmon.app.browser.app import BrowserApp
from dlmon.app.browser.listing import Listing
from dlmon.app.browser.reader import Part, RowsReader
from dlmon.app.browser.screen import COMPARE, OPEN, REPORT, BrowserScreen, Choice
from dlmon.app.keymap import BROWSE, grouped, keys_for
from dlmon.app.settings import settings_for
from dlmon.catalogue.rows import REHEARSAL, Row
from dlmon.catalogue.words import filter_of
from dlmon.record.marks import read_marks
from tests.app.runs import training
from tests.app.test_screens import NARROW, WIDE, same_as_snapshot
from tests.support import wait_for

T = 1_700_000_000.0


def rows(amount: int = 12) -> list[Row]:
    """Runs of every kind, without a folder behind them."""
    made = [
        Row(
            f"20260730-1011{number:02d}-stripes_cnn", "finished", 1200 + number, 0.05 * (1 + number % 5), 372.0, 0,
            f"/nowhere/20260730-1011{number:02d}-stripes_cnn", created=T + number, ended=T + 400, size=1_300_000,
            command="stripes_cnn.py --lr 0.1",
        )
        for number in range(amount)
    ]  # fmt: skip
    made[3] = replace(made[3], state="failed", exit_code=1, tags=("baseline", "lr"), note="the one that diverged")
    made[4] = replace(made[4], state="training", exit_code=None, ended=None, loss=math.nan, size=None)
    made[5] = replace(
        made[5], state="rehearsal failed in overfit", kind=REHEARSAL, steps=0, loss=None, exit_code=1, size=None
    )
    made[6] = replace(made[6], name="bad\x1b[31mname", note="漢字 and more of it")
    return made


@asynccontextmanager
async def browser(
    folder: Path, size: tuple[int, int] = NARROW, *, ascii: bool = False, shown: list[Row] | None = None
) -> AsyncIterator[tuple[BrowserScreen, Pilot[Choice]]]:
    """The browser over `folder`; shown: rows that it is told of, where the folder has none."""
    app = BrowserApp(settings_for(folder, ascii=ascii, theme=None, environ={}), Listing())
    async with app.run_test(size=size) as pilot:
        await pilot.pause()
        if shown is not None:
            app.browser.tell(Part(tuple(shown), expected=len(shown)))
        await pilot.pause()
        yield app.browser, pilot


async def until(pilot: Pilot[Choice], screen: BrowserScreen, amount: int) -> None:
    for _ in range(400):
        if len(screen.listing.rows) == amount and all(row.size is not None for row in screen.listing.rows.values()):
            return
        await pilot.pause(0.02)
    raise AssertionError(f"{len(screen.listing.rows)} rows came")


def text_of(screen: BrowserScreen) -> str:
    strips = screen.app.screen._compositor.render_strips()
    return "\n".join("".join(segment.text for segment in strip).rstrip() for strip in strips[: screen.app.size.height])


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


RUNS = Path("dlmon_runs")


@pytest.mark.parametrize("size", [NARROW, WIDE], ids=["80x24", "160x48"])
async def test_pictures(size: tuple[int, int]) -> None:
    async with browser(RUNS, size, shown=rows()) as (screen, pilot):
        await pilot.press("space", "down", "down")
        await pilot.pause()
        shown = text_of(screen)
    assert all(len(row) <= size[0] for row in shown.splitlines())
    assert "\x1b" not in shown
    same_as_snapshot(f"browser-{size[0]}x{size[1]}", shown)


async def test_ascii_is_ascii() -> None:
    async with browser(RUNS, WIDE, ascii=True, shown=rows()) as (screen, pilot):
        await pilot.press("space", "slash", *"failed", "enter")
        await pilot.pause()
        shown = text_of(screen)
        await pilot.press("question_mark")
        await pilot.pause()
        assert text_of(screen).isascii()
    assert shown.isascii() and "2 of 12 runs" in shown


async def test_without_runs_it_says_so() -> None:
    async with browser(RUNS) as (screen, _):
        assert "no runs yet: start one with dlmon train.py" in text_of(screen)


async def test_the_filter_follows_the_typing() -> None:
    async with browser(RUNS, shown=rows()) as (screen, pilot):
        await pilot.press("slash", *"failed")
        await pilot.pause()
        assert {row.state for row in screen.listing.visible} == {"failed", "rehearsal failed in overfit"}
        await pilot.press(*" tag:baseline", "enter")
        await pilot.pause()
        assert [row.tags for row in screen.listing.visible] == [("baseline", "lr")]
        assert "1 of 12 runs" in text_of(screen)
        await pilot.press("slash", *"xyz", "enter")
        await pilot.pause()
        assert "none of 12 runs fits this filter" in text_of(screen)
        await pilot.press("escape")
        await pilot.pause()
        assert len(screen.listing.visible) == 12


async def test_columns_sort_and_turn() -> None:
    async with browser(RUNS, shown=rows()) as (screen, pilot):
        assert screen.listing.visible[0].name.endswith("101111-stripes_cnn"), "the newest is on top"
        while screen.listing.column != "loss":
            await pilot.press("o")
        losses = [row.loss for row in screen.listing.visible]
        assert losses[0] == 0.05 and losses[-1] is None
        await pilot.press("i")
        turned = [row.loss for row in screen.listing.visible]
        assert turned[0] == 0.25 and {str(loss) for loss in turned[-2:]} == {"nan", "None"}, "the unknown stay last"
        assert "loss↓" in text_of(screen)


async def test_what_leads_out_of_the_list() -> None:
    async def choice(*keys: str) -> Choice | None:
        async with browser(RUNS, shown=rows()) as (_, pilot):
            app = pilot.app
            await pilot.press(*keys)
            await pilot.pause()
        return app.return_value

    opened = await choice("down", "enter")
    assert opened is not None and opened.action == OPEN
    assert [folder.name for folder in opened.folders] == ["20260730-101110-stripes_cnn"]
    compared = await choice("space", "space", "c")
    assert compared is not None and compared.action == COMPARE
    assert [folder.name[-13:-12] for folder in compared.folders] == ["1", "0"]
    one_marked = await choice("space", "c")
    assert one_marked is not None and len(one_marked.folders) == 2, "the marked one and the chosen one"
    report = await choice("r")
    assert report is not None and report.action == REPORT
    assert await choice("q") is None


async def test_comparing_one_run_says_what_to_do() -> None:
    async with browser(RUNS, shown=rows()) as (screen, pilot):
        await pilot.press("c")
        await pilot.pause()
        assert "mark two runs or more with space" in text_of(screen)


async def test_rows_are_read_from_the_folder_and_marks_written_to_it(tmp_path: Path) -> None:
    runs = tmp_path / "dlmon_runs"
    for name in ("a", "b", "c"):
        training(runs / name, steps=50)
    async with browser(runs) as (screen, pilot):
        await until(pilot, screen, 3)
        await pilot.press("t", *"base lr", "enter", "n", *"first", "enter")
        await pilot.pause()
        chosen = screen.listing.row
        assert chosen is not None
        marks = read_marks(Path(chosen.folder))
        assert (marks.tags, marks.note) == (("base", "lr"), "first")
        for _ in range(200):
            if "tags: base lr   note: first" in text_of(screen):
                break
            await pilot.pause(0.02)
        assert "tags: base lr   note: first" in text_of(screen)
        await pilot.press("t", "ctrl+u", *"a,b", "enter")
        await pilot.pause()
        assert "cannot be a tag" in text_of(screen)


async def test_runs_are_removed_after_a_question(tmp_path: Path) -> None:
    runs = tmp_path / "dlmon_runs"
    for name in ("a", "b", "c"):
        training(runs / name, steps=50)
    (runs / "c" / "run.json").write_text('{"name": "c", "command": []}')  # another program's
    async with browser(runs) as (screen, pilot):
        await until(pilot, screen, 3)
        await pilot.press("home", "space", "space", "space", "d")
        await pilot.pause()
        asked = text_of(screen)
        assert "2 runs, " in asked and "would be removed for good" in asked
        assert "c stays: not a run of dlmon" in asked
        await pilot.press("escape")
        await pilot.pause()
        assert len(list(runs.glob("*/run.json"))) == 3, "nothing goes without a yes"
        await pilot.press("escape", "slash", *"name:b", "enter", "d")
        await pilot.pause()
        assert "1 run," in text_of(screen)
        await pilot.press("y")
        for _ in range(400):
            if "b" not in screen.listing.rows:
                break
            await pilot.pause(0.02)
        assert not (runs / "b").exists() and (runs / "a").exists() and (runs / "c").exists()


def test_ten_thousand_rows_cost_what_is_seen_of_them() -> None:
    many = [replace(rows(7)[0], folder=f"/nowhere/run{number:05d}", created=T + number) for number in range(10_000)]
    listing = Listing().with_rows(many)
    from dlmon.app.browser.table import table_lines
    from dlmon.app.glyphs import UNICODE

    lines = table_lines(listing.moved(5_000), 4_990, 80, 24, UNICODE)
    assert len(lines) == 24 and listing.moved(5_000).at == 5_000
    assert len(listing.filtered(filter_of("loss>1")).visible) == 0


def test_the_choice_stays_on_its_run_when_others_come_and_go() -> None:
    listing = Listing().with_rows(rows()).moved(2)
    chosen = listing.chosen
    newer = replace(rows()[0], folder="/nowhere/newer", created=T + 100)
    assert listing.with_rows([newer]).chosen == chosen
    gone = listing.with_rows([], gone={chosen})
    assert gone.row is not None and gone.at == 2, "the row that took its place"
    assert listing.toggled().with_rows([], gone={chosen}).marked == ()


def test_the_reader_gives_the_first_rows_before_all_are_read(tmp_path: Path) -> None:
    for number in range(30):
        training(tmp_path / f"run{number:02d}", steps=25)
    parts: list[Part] = []
    reader = RowsReader(tmp_path, parts.append, lambda error: parts.append(Part((), frozenset({repr(error)}))))
    reader.start()
    try:
        wait_for(lambda: sum(row.size is not None for part in parts for row in part.rows) >= 30, "the sizes")
        names = [row.name for part in parts for row in part.rows if row.size is None]
        assert names[0] == "run29", "the newest first"
        training(tmp_path / "run99", steps=25)
        reader.look_again()
        wait_for(lambda: any(row.name == "run99" for part in parts for row in part.rows), "a new run")
    finally:
        reader.stop()


def test_every_key_does_something_and_help_tells_of_it() -> None:
    seen: set[str] = set()
    for key in keys_for(BROWSE):
        assert hasattr(BrowserScreen, "action_" + key.action.partition("(")[0]), key
        for name in key.keys.split(","):
            assert name not in seen, f"{name} is bound twice"
            seen.add(name)
    told = " ".join(label for _, rows_of in grouped(BROWSE) for label, _ in rows_of)
    assert all(key.label in told.split(" ") for key in keys_for(BROWSE))
