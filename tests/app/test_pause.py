"""What is shown of the step before a pause: on the screen, on its own at a break, with the console one key away."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from dlmon.app.break_text import break_lines
from dlmon.app.glyphs import ASCII, UNICODE
from dlmon.app.lines import text_of as words
from dlmon.app.screens.live import LiveMonitor
from dlmon.app.screens.pause import PauseDialog
from dlmon.app.settings import settings_for
from dlmon.app.source import Frame
from dlmon.checks.finding import Judgement
from dlmon.view import View
from dlmon_probes import events
from dlmon_probes.events_watch import Break, Doubtful, Watched
from tests.app.screen import opened, text_of
from tests.builders import Story, named, tensor

SIZES = [(80, 24), (160, 48)]


def story(**facts: Any) -> Story:
    run = Story().model({"fc1.weight": [8, 6], "fc2.weight": [3, 8]}).series().losses([1.0] * 7 + [14.1])
    run.sample(7, {"fc1.weight": 44.1, "fc2.weight": 0.2})
    batch = [
        named("[0]", [16, 6], min=-2.29, max=400.0, mean=25.1, std=96.8),
        named("[1]", [16], "int64", min=0.0, max=2.0),
    ]
    run.add(events.Batch(run.now, 7, 0, batch, "list(16×6 float32, 16 int64)"))
    row = events.Activation(
        "fc1", "Linear", [[16, 6]], [[16, 8]], tensor([16, 8], min=-2.0, max=3.0, mean=0.1, std=1.0)
    )
    run.add(events.Activations(run.now, 3, [row]))
    given: dict[str, Any] = {
        "condition": 0, "values": {"loss": 14.1}, "op": "NllLossBackward0", "measure": "probability", "rows": 16,
        "samples": [Doubtful(14, 0.001, 100, 0.0, 1.0), Doubtful(3, 0.25, 244, 2.0, 1.0)], "loader": 0,
    }  # fmt: skip
    run.add(Break(run.now, 7, **(given | facts)), events.Control(run.now, 8, "paused"))
    reason = "`loss > 10` at step 8 (loss 14.1)"
    run.host.append(Watched(run.now, "break", f"the training paused: {reason}", 8, reason))
    return run


def frame(run: Story) -> Frame:
    return Frame(View(run.snapshot(), Judgement((), ())))


def page(run: Story, room: int = 76) -> str:
    return "\n".join(words(row).rstrip() for row in break_lines(frame(run), room, UNICODE))


def test_the_page_tells_batch_samples_and_tensors() -> None:
    shown = page(story())
    assert shown.startswith("paused after step 8: `loss > 10` at step 8 (loss 14.1)")
    assert "[0]     16×6   float32  -2.29 … 400  25.1  96.8" in shown
    assert "least certain samples of 16, lowest probability of the target first" in shown
    assert [row.split() for row in shown.splitlines() if row.startswith("  100 ")] == [
        ["100", "14", "1.00e-3", "0", "1"]
    ]
    assert "gradients of this step" in shown and "fc1.weight" in shown
    assert "activations of step 4, the last one that was looked at" in shown


def test_a_loss_without_classes_and_a_batch_that_nobody_saw() -> None:
    run = story(measure="error", samples=[Doubtful(2, 81.0, None, 9.5, 0.5)], loader=None, op="MseLossBackward0")
    shown = page(run)
    assert "largest errors of 16, largest squared error first" in shown and "index in the data set" not in shown
    assert ["2", "81.0", "9.50", "0.500"] in [row.split() for row in shown.splitlines()]
    run.events = [event for event in run.events if not isinstance(event, events.Batch)]
    assert "was not seen: no DataLoader gave it" in page(run)


def test_nothing_was_paused_yet() -> None:
    run = Story().series().losses([1.0])
    assert "Nothing to show yet" in page(run)
    assert words(break_lines(Frame(), 70, ASCII)[0]).startswith("Nothing to show yet")


@pytest.mark.parametrize("size", SIZES)
async def test_a_break_opens_by_itself_and_once(size: tuple[int, int]) -> None:
    async with opened(frame(story()), size) as (monitor, pilot):
        await pilot.pause()
        assert isinstance(monitor.app.screen, PauseDialog)
        shown = text_of(monitor)
        assert "the step before the pause" in shown and "i console" in shown
        assert "index in the data set" in shown and all(len(row) <= size[0] for row in shown.splitlines())
        await pilot.press("escape")
        monitor.show(frame(story()))
        await pilot.pause()
        assert monitor.app.screen is monitor, "it was seen"
        await pilot.press("b")
        await pilot.pause()
        assert isinstance(monitor.app.screen, PauseDialog)


async def test_a_pause_that_a_person_asked_for_waits_for_the_key() -> None:
    async with opened(frame(story(condition=None)), SIZES[0]) as (monitor, pilot):
        await pilot.pause()
        assert monitor.app.screen is monitor
        await pilot.press("b")
        await pilot.pause()
        assert "least certain samples" in text_of(monitor)


class Told(LiveMonitor):
    """Notes what it is asked for."""

    def __init__(self) -> None:
        super().__init__(settings_for(Path("20260730-101112-x"), ascii=False, theme=None, environ={}))
        self.asked: list[str] = []

    def action_console(self) -> None:
        self.asked.append("console")

    def action_pause(self) -> None:
        self.asked.append("go on")

    def action_step(self) -> None:
        self.asked.append("step")


@pytest.mark.parametrize(
    ("key", "asked"), [("i", "console"), ("space", "go on"), ("full_stop", "step"), ("escape", "")]
)
async def test_the_console_and_the_next_step_are_one_key_away(key: str, asked: str) -> None:
    told = Told()
    async with opened(frame(story()), SIZES[0], monitor=told) as (monitor, pilot):
        await pilot.pause()
        await pilot.press(key)
        await pilot.pause()
        assert monitor.app.screen is monitor
        assert told.asked == ([asked] if asked else [])


async def test_nothing_of_the_log_reaches_the_terminal_as_an_escape() -> None:
    evil = "\x1b[2J\x9b31m[bold]x\u202e"
    run = story(op=evil, measure=evil)
    run.events = [
        replace(event, structure=evil, tensors=[named(evil, [2])]) if isinstance(event, events.Batch) else event
        for event in run.events
    ]
    async with opened(frame(run), SIZES[1]) as (monitor, pilot):
        await pilot.pause()
        strips = monitor.app.screen._compositor.render_strips()
        shown = "".join(segment.text for strip in strips for segment in strip)
        assert "[bold]x" in shown and not any(letter < " " or "\x7f" <= letter <= "\x9f" for letter in shown)
        assert "\u202e" not in shown
