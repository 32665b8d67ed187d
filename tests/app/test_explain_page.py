"""From a finding on to its page, and back, on the smallest screen."""

from __future__ import annotations

from dataclasses import replace

import pytest

from dlmon.explain import pages
from tests.app import frames
from tests.app.screen import opened, text_of

NARROW = (80, 24)


@pytest.mark.parametrize("key", ["x", "enter"])
async def test_the_page_opens_scrolls_to_its_end_and_closes(key: str) -> None:
    found = replace(frames.findings()[0], id="loop.no_zero_grad")
    async with opened(frames.frame(found=(found,)), NARROW) as (monitor, pilot):
        await pilot.press("enter")
        await pilot.pause()
        dialog = text_of(monitor)
        assert "x explains more" in dialog
        await pilot.press(key)
        await pilot.pause()
        shown = text_of(monitor)
        assert pages.read("loop.no_zero_grad").title in shown
        assert "What it means" in shown
        assert "more rows below" in shown
        await pilot.press(*["pagedown"] * 10)
        await pilot.pause()
        end = text_of(monitor)
        assert "Sources" in end
        assert "more rows below" not in end
        assert all(len(row) <= NARROW[0] for row in end.splitlines())
        await pilot.press("escape")
        await pilot.pause()
        assert text_of(monitor) == dialog


async def test_a_finding_without_a_page_does_not_promise_one() -> None:
    found = replace(frames.findings()[0], id="no.such_thing")
    async with opened(frames.frame(found=(found,)), NARROW) as (monitor, pilot):
        before = text_of(monitor)
        await pilot.press("enter")
        await pilot.pause()
        assert "explains more" not in text_of(monitor)
        await pilot.press("enter")  # closes, as ever
        await pilot.pause()
        assert text_of(monitor) == before


async def test_a_page_is_ascii_where_that_is_asked_for() -> None:
    found = replace(frames.findings()[0], id="crash.oom")  # its page has × and –
    async with opened(frames.frame(found=(found,)), NARROW, ascii=True) as (monitor, pilot):
        await pilot.press("enter", "x")
        await pilot.pause()
        for _ in range(6):
            assert text_of(monitor).isascii()
            await pilot.press("pagedown")
            await pilot.pause()
