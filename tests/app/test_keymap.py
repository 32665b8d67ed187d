"""Help, footer, bindings and documentation come from one list, and the list is sound."""

from __future__ import annotations

import pytest

from dlmon.app.keymap import KEYMAP, LIVE, REPLAY, footer_keys, grouped, keys_for, keys_markdown
from dlmon.app.screens.live import LiveMonitor
from dlmon.app.screens.monitor import bindings
from dlmon.app.screens.replay import ReplayMonitor


@pytest.mark.parametrize(("mode", "monitor"), [(LIVE, LiveMonitor), (REPLAY, ReplayMonitor)])
def test_every_key_does_something_and_only_one_thing(mode: str, monitor: type) -> None:
    seen: set[str] = set()
    for key in keys_for(mode):
        assert hasattr(monitor, "action_" + key.action.partition("(")[0]), key
        for name in key.keys.split(","):
            assert name not in seen, f"{name} is bound twice in {mode}"
            seen.add(name)
    assert len(bindings(mode)) == len(keys_for(mode))


@pytest.mark.parametrize("mode", [LIVE, REPLAY])
def test_help_tells_of_every_key(mode: str) -> None:
    told = " ".join(label for _, rows in grouped(mode) for label, _ in rows)
    for key in keys_for(mode):
        assert key.label in told.split(" ") or key.label.isdigit()


def test_the_footer_begins_with_help_and_the_way_out() -> None:
    assert [key for key, _ in footer_keys(LIVE)][:3] == ["?", "q", "space"]


def test_of_a_run_that_is_over_nothing_is_offered_that_needs_it_alive() -> None:
    offered = dict(footer_keys(LIVE, over=True))
    assert offered["q"] == "leave"
    assert "space" not in offered
    assert "." not in offered


def test_markdown_has_a_row_for_every_description() -> None:
    table = keys_markdown()
    for key in KEYMAP:
        assert key.label.isdigit() or f"`{key.label}`" in table
        assert key.description in table
