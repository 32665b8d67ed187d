"""What the keys of the rehearsal's screen ask of the driver."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

from dlmon.rehearsal.report import FAIL, INCONCLUSIVE
from dlmon_probes import control
from tests.app import frames, rehearsals
from tests.app.rehearsal_screen import opened
from tests.app.rehearsals import ENGINE, GOOD, REVIEW, SMOKE, SMOKE_FAILED, SUBSET, played

NARROW = (80, 24)


# ---- keys


async def test_enter_runs_one_stage_after_the_other(tmp_path: Path) -> None:
    reh = played(tmp_path)
    async with opened(reh, NARROW) as screen:
        for stage in ("review", "smoke", "engine"):
            await screen.press("enter")
            await screen.until(lambda stage=stage: stage in screen.step.scene.stand.reports)
            assert screen.step.scene.chosen == stage, "the cursor stays on what has just run"
    assert reh.asked == ["begin review", "begin smoke", "begin engine", "close"]


async def test_enter_runs_the_chosen_stage_even_an_optional_one(tmp_path: Path) -> None:
    reh = played(tmp_path, (REVIEW, SMOKE))
    async with opened(reh, NARROW) as screen:
        assert screen.step.scene.chosen == "engine"
        await screen.choose("lr")
        await screen.press("enter")
        await screen.until(lambda: "lr" in screen.step.scene.stand.reports)
    assert reh.asked[0] == "begin lr"


async def test_auto_stops_at_the_first_failure(tmp_path: Path) -> None:
    reh = played(tmp_path, reports={**GOOD, "engine": replace(ENGINE, verdict=FAIL)})
    async with opened(reh, NARROW) as screen:
        await screen.press("a")
        await screen.until(lambda: "engine" in screen.step.scene.stand.reports and not screen.step.scene.auto)
        assert "engine failed" in screen.text()
    assert reh.asked == ["begin review", "begin smoke", "begin engine", "close"]


async def test_auto_leaves_the_full_run_to_a_person_and_says_so(tmp_path: Path) -> None:
    reports = {**GOOD, "engine": replace(ENGINE, verdict=INCONCLUSIVE), "subset": replace(SUBSET, verdict="pass")}
    reh = played(tmp_path, reports=reports)
    async with opened(reh, NARROW, conclusion="Everything that was asked holds.") as screen:
        await screen.press("a")
        await screen.until(lambda: "subset" in screen.step.scene.stand.reports and not screen.step.scene.auto)
        shown = screen.text()
    assert "4 of 5 stages passed   g goes on to the full run" in shown
    assert "Everything that was asked holds." in shown
    assert reh.asked == [*(f"begin {stage}" for stage in ("review", "smoke", "engine", "overfit", "subset")), "close"]


async def test_auto_can_be_switched_on_while_a_stage_runs_and_off_again(tmp_path: Path) -> None:
    reh = played(tmp_path, at_once=False)
    async with opened(reh, NARROW) as screen:
        await screen.press("enter")
        await screen.until(lambda: reh.running is not None and screen.step.scene.stand.running == "review")
        await screen.press("a")
        assert screen.step.scene.auto
        assert re.search(r"auto   *$|auto$", screen.text().splitlines()[0].rstrip())
        await screen.press("a")
        reh.finish()
        await screen.until(lambda: "review" in screen.step.scene.stand.reports)
        assert not screen.step.scene.stand.running
    assert reh.asked == ["begin review", "close"]


async def test_rerun_says_what_changed_and_d_shows_it(tmp_path: Path) -> None:
    reh = played(tmp_path, (REVIEW, SMOKE_FAILED), at_once=False, diff=rehearsals.DIFF)
    async with opened(reh, NARROW) as screen:
        await screen.choose("smoke")
        await screen.press("d")
        await screen.until(lambda: "Since smoke last ran: stripes_cnn.py: 3 lines changed" in screen.text())
        assert "+        optimizer.zero_grad()" in screen.text()
        await screen.press("escape", "r")
        await screen.until(lambda: screen.step.scene.stand.running == "smoke")
        assert "smoke again: stripes_cnn.py: 3 lines changed" in screen.text()
        assert "3 lines changed" not in screen.text().splitlines()[2], "its old verdict is not shown as the new one"
        reh.finish(replace(SMOKE, seconds=2.0))
        await screen.until(lambda: screen.step.scene.stand.reports["smoke"].verdict == "pass")
    assert reh.asked == ["changes smoke", "changes smoke", "begin smoke", "close"]


async def test_skipping_moves_on(tmp_path: Path) -> None:
    reh = played(tmp_path, (REVIEW,))
    async with opened(reh, NARROW) as screen:
        await screen.press("x")
        await screen.until(lambda: "smoke" in screen.step.scene.stand.reports)
        assert screen.step.scene.chosen == "engine"
        assert "– smoke    skipped" in screen.text()
        await screen.press("up", "x")
        assert "smoke has run: there is nothing to skip" in screen.text()


async def test_only_one_stage_at_a_time(tmp_path: Path) -> None:
    reh = played(tmp_path, at_once=False)
    async with opened(reh, NARROW) as screen:
        await screen.press("enter")
        await screen.until(lambda: screen.step.scene.stand.running == "review" and reh.running is not None)
        for key in ("enter", "r", "g"):
            await screen.press(key)
            assert "review goes on: b aborts it" in screen.text()
    assert reh.asked == ["begin review", "close"]


async def test_pausing_stepping_and_going_on_reach_the_training(tmp_path: Path) -> None:
    reh = played(tmp_path, (REVIEW,), at_once=False)
    async with opened(reh, NARROW) as screen:
        await screen.press("space")
        assert "nothing to pause: no stage is running" in screen.text()
        await screen.press("enter")
        await screen.until(lambda: screen.step.control is not None)
        page = control.ControlPage(str(tmp_path / rehearsals.NAME / "smoke"))
        await screen.press("space")
        assert page.read(control.PAUSE) == 1
        sampled = page.read(control.SAMPLE_REQUEST)
        await screen.press("full_stop", "full_stop")
        assert page.read(control.GRANTED) == 2
        assert page.read(control.SAMPLE_REQUEST) == sampled + 2, "each single step is sampled"
        await screen.press("space")
        assert page.read(control.PAUSE) == 0
        page.close()


async def test_aborting_lets_a_paused_stage_hear_it(tmp_path: Path) -> None:
    reh = played(tmp_path, (REVIEW,), at_once=False)
    async with opened(reh, NARROW) as screen:
        await screen.press("a")
        await screen.until(lambda: screen.step.control is not None)
        await screen.press("space", "b")
        page = control.ControlPage(str(tmp_path / rehearsals.NAME / "smoke"))
        assert page.read(control.PAUSE) == 0
        page.close()
        await screen.until(lambda: "smoke" in screen.step.scene.stand.reports)
        assert not screen.step.scene.stand.running, "auto does not go on after an abort"
        assert "? smoke    inconclusive" in screen.text()
    assert reh.asked == ["begin smoke", "close"]


async def test_what_the_driver_refuses_is_said_and_the_screen_stays(tmp_path: Path) -> None:
    reh = played(tmp_path)
    reh.refuse = "train.py cannot be read: permission denied"
    async with opened(reh, NARROW) as screen:
        await screen.press("enter")
        await screen.until(lambda: "train.py cannot be read: permission denied" in screen.text())
        assert not screen.step.scene.stand.running
        reh.refuse = ""
        await screen.press("enter")
        await screen.until(lambda: "review" in screen.step.scene.stand.reports)


async def test_a_driver_that_breaks_while_a_stage_runs_does_not_take_the_screen(tmp_path: Path) -> None:
    reh = played(tmp_path, at_once=False)
    async with opened(reh, NARROW) as screen:
        await screen.press("enter")
        await screen.until(lambda: reh.running is not None)
        reh.break_down(RuntimeError("lost"))
        await screen.until(lambda: "could not follow review: RuntimeError('lost')" in screen.text())
        assert not screen.step.scene.stand.running


async def test_the_state_of_a_paused_stage_is_told(tmp_path: Path) -> None:
    reh = played(tmp_path, (REVIEW,), at_once=False)
    async with opened(reh, NARROW) as screen:
        await screen.press("enter")
        await screen.until(lambda: screen.step.scene.stand.folder is not None)
        screen.freeze(frames.frame(frames.running(121, state="paused")))
        shown = screen.text()
    assert "smoke paused after step 121   . steps, space goes on" in shown
    assert re.search(r"now  +paused after step 121   loss 0\.\d+, was 0\.\d+   (learning rate|lr) 0\.0003", shown)
    assert "features.3.bias zero" in shown
