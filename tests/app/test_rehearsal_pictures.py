"""The rehearsal's screen as text, without its keys.

The pictures are in snapshots/; `DLMON_UPDATE_SNAPSHOTS=1 pytest tests/app` draws them anew.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from dlmon.checks.finding import ERROR, Finding
from dlmon.rehearsal.report import FAIL, INCONCLUSIVE, Item, StageReport, WrittenFile
from dlmon.rehearsal.stages import STAGES
from dlmon_probes.events import Where
from tests.app import frames, rehearsals
from tests.app.rehearsal_screen import opened
from tests.app.rehearsals import ENGINE, GOOD, LR, OVERFIT, REVIEW, SMOKE, SMOKE_FAILED, SUBSET, played
from tests.app.test_screens import same_as_snapshot

NARROW, WIDE = (80, 24), (160, 48)
SIZES = pytest.mark.parametrize("size", [NARROW, WIDE], ids=["80x24", "160x48"])
DONE: dict[str, Sequence[StageReport]] = {
    "first": (),
    "failed": (REVIEW, SMOKE_FAILED),
    "passed": (REVIEW, SMOKE, ENGINE, OVERFIT),
    "lr": (REVIEW, SMOKE, LR, SUBSET),
}


# ---- pictures


@SIZES
@pytest.mark.parametrize("name", DONE)
async def test_pictures(tmp_path: Path, name: str, size: tuple[int, int]) -> None:
    async with opened(played(tmp_path, DONE[name]), size, conclusion="Go on to the full run: g.") as screen:
        if DONE[name]:
            await screen.choose(DONE[name][-1].name if name != "lr" else "lr")
        shown = screen.text()
    assert all(len(row) <= size[0] for row in shown.splitlines())
    same_as_snapshot(f"rehearsal-{name}-{size[0]}x{size[1]}", shown)


@SIZES
@pytest.mark.parametrize("state", ["training", "paused"])
async def test_pictures_of_a_running_stage(tmp_path: Path, size: tuple[int, int], state: str) -> None:
    async with opened(played(tmp_path, (REVIEW, SMOKE), at_once=False), size) as screen:
        await screen.press("enter")
        await screen.until(lambda: screen.step.scene.stand.folder is not None)
        screen.freeze(frames.frame(frames.running(121, state=state)), seconds=3.4)
        same_as_snapshot(f"rehearsal-{state}-{size[0]}x{size[1]}", screen.text())


@pytest.mark.parametrize("page", ["items", "curves", "findings", "files"])
async def test_pictures_of_evidence(tmp_path: Path, page: str) -> None:
    report = {"curves": OVERFIT}.get(page, SMOKE_FAILED)
    async with opened(played(tmp_path, (REVIEW, replace(report, name="smoke", run=""))), NARROW) as screen:
        await screen.choose("smoke")
        await screen.press("e")
        while f"smoke: {page}" not in screen.text():
            await screen.press("tab")
        same_as_snapshot(f"rehearsal-{page}-80x24", screen.text())
        await screen.press("q")
        assert "1 stages" in screen.text()


async def test_a_failure_tells_its_finding_and_next_step_without_a_key(tmp_path: Path) -> None:
    played_ = played(tmp_path, reports={**GOOD, "smoke": SMOKE_FAILED})
    async with opened(played_, NARROW) as screen:
        await screen.press("a")
        await screen.until(lambda: "smoke" in screen.step.scene.stand.reports)
        await screen.until(lambda: "smoke failed" in screen.text())
        shown = screen.text()
    assert "gradients pile up: nothing cleared them" in shown
    assert "stripes_cnn.py:88" in shown
    assert "next  Call optimizer.zero_grad() before loss.backward()" in shown


async def test_ascii_is_ascii(tmp_path: Path) -> None:
    odd = replace(SMOKE_FAILED, summary="épöch ×3 → 漢字 ✓", next_step="… ≥ 3 µs", run="")
    async with opened(played(tmp_path, (REVIEW, odd, LR, SUBSET), diff="+é"), WIDE, ascii=True) as screen:
        for stage in ("smoke", "lr", "subset", "full"):
            await screen.choose(stage)
            assert screen.text().isascii()
        await screen.choose("smoke")
        for keys in ("e", "2", "3", "6", "7", "question_mark", "escape", "q", "d"):
            await screen.press(keys)
            assert screen.text().isascii(), keys


async def test_signs_and_words_say_all_that_colours_do(tmp_path: Path) -> None:
    done = (REVIEW, SMOKE_FAILED, replace(ENGINE, verdict=INCONCLUSIVE), SUBSET)
    async with opened(played(tmp_path, done), NARROW, theme="plain") as screen:
        rows = {stage: row for row in screen.text().splitlines() for stage in STAGES if f" {stage} " in row[:16]}
        strips = screen.app.screen._compositor.render_strips()
        colours = {segment.style.color for strip in strips for segment in strip if segment.style}
    assert "✓ review   pass " in rows["review"]
    assert "✗ smoke    fail " in rows["smoke"]
    assert "? engine   inconclusive " in rows["engine"]
    assert "– subset   skipped " in rows["subset"]
    assert {colour for colour in colours if colour and not colour.is_default} == set()


EVIL = "\x1b[2J\x1b]0;title\x07[bold]x[/bold]\x9b31m\u202e"


async def test_nothing_of_the_script_reaches_the_terminal_as_an_escape(tmp_path: Path) -> None:
    where = Where(f"/tmp/{EVIL}.py", 3, EVIL, EVIL)
    report = StageReport(
        "smoke", FAIL, EVIL, 1.0, (Item(EVIL, FAIL, EVIL),),
        (Finding("x.y", ERROR, EVIL, EVIL, 0, 0, where, {EVIL: EVIL}),) * 2, EVIL,
        {EVIL: EVIL, "rows": [{EVIL: EVIL}], "curves": {EVIL: rehearsals.falling(9)}}, "",
        1, (WrittenFile(f"/tmp/{EVIL}", "", 1, EVIL),),
    )  # fmt: skip
    diff = f"--- {EVIL}\n+++ {EVIL}\n@@ -1 +1 @@\n-{EVIL}\n+{EVIL}\n"
    async with opened(played(tmp_path, (REVIEW, report), diff=diff), WIDE, conclusion=EVIL) as screen:
        await screen.choose("smoke")
        for keys in ((), ("d",), ("escape", "e"), ("2",), ("6",), ("7",)):
            await screen.press(*keys)
            strips = screen.app.screen._compositor.render_strips()
            shown = "".join(segment.text for strip in strips for segment in strip)
            assert not re.search("[\x00-\x1f\x7f-\x9f\u202a-\u202e]", shown), keys
            assert all(sum(segment.cell_length for segment in strip) == WIDE[0] for strip in strips), keys
            assert "[bold]x" in shown, "markup is text"


async def test_too_small_is_one_calm_line_and_passes(tmp_path: Path) -> None:
    async with opened(played(tmp_path), (60, 12)) as screen:
        assert "dlmon needs 80×24 characters" in screen.text()
        await screen.pilot.resize_terminal(80, 24)
        await screen.until(lambda: "1 stages" in screen.text())
