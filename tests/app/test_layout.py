"""Panels fill the screen and never overlap, at any size."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dlmon.app.layout import LEAST, PANELS, Plan, Wishes, plan

WISHES = st.builds(
    Wishes, current=st.sampled_from(PANELS), strip=st.integers(0, 9), progress=st.integers(0, 70),
    machine=st.integers(0, 40), dead=st.booleans(), middle=st.integers(0, 90),
    beside=st.sampled_from(["loss", "stages"]), zoomed=st.booleans(), replay=st.booleans(),
)  # fmt: skip


def covered(made: Plan, width: int, height: int) -> list[int]:
    cells = [0] * (width * height)
    for box in made.boxes.values():
        assert box.width > 0
        assert box.height > 0
        for y in range(box.y, box.y + box.height):
            for x in range(box.x, box.x + box.width):
                cells[y * width + x] += 1
    return cells


@settings(max_examples=150, deadline=None)
@given(st.integers(LEAST[0], 200), st.integers(LEAST[1], 70), WISHES)
def test_every_cell_belongs_to_exactly_one_box(width: int, height: int, wishes: Wishes) -> None:
    assert set(covered(plan(width, height, wishes), width, height)) == {1}


@pytest.mark.parametrize("size", [(79, 24), (80, 23), (20, 5), (1, 1)])
def test_too_small_says_so_and_shows_nothing_else(size: tuple[int, int]) -> None:
    assert set(plan(*size, Wishes()).boxes) == {"too_small"}


def test_wide_shows_all_panels_and_narrow_has_tabs() -> None:
    wide, narrow = plan(160, 48, Wishes()), plan(80, 24, Wishes(current="machine"))
    assert set(wide.boxes) >= set(PANELS) - {"findings"}
    assert not wide.tabs
    assert narrow.tabs
    assert set(narrow.boxes) == {"header", "findings_strip", "loss_strip", "tabs", "machine", "footer"}


def test_a_tall_narrow_screen_keeps_the_chart_in_sight() -> None:
    boxes = plan(90, 60, Wishes(current="gradients")).boxes
    assert boxes["loss"].height > 10
    assert "gradients" in boxes


def test_of_a_dead_run_the_findings_take_the_middle() -> None:
    for size in ((80, 24), (160, 48)):
        boxes = plan(*size, Wishes(dead=True, middle=12)).boxes
        assert boxes["findings"].width == size[0]
        assert boxes["findings"].height >= 12
        assert boxes["output"].y > boxes["findings"].y
        assert boxes["output"].height >= 5


def test_a_replay_has_its_timeline_above_the_footer() -> None:
    boxes = plan(80, 24, Wishes(replay=True)).boxes
    assert boxes["timeline"].y + 1 == boxes["footer"].y == 23
