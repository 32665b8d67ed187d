"""One row of history."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from dlmon.app.glyphs import ASCII, UNICODE
from dlmon.app.sparkline import gauge, sparkline, squeeze

BARS = UNICODE.bars


def test_it_rises_and_falls() -> None:
    assert sparkline([0, 1, 2, 3, 4, 5, 6, 7], 8, BARS) == "▁▂▃▄▅▆▇█"
    assert sparkline([1, 0], 2, ASCII.bars) == "#_"


def test_new_values_stand_at_the_right_and_gaps_stay_blank() -> None:
    assert sparkline([0, None, 7], 5, BARS) == "  ▁ █"
    assert sparkline([], 4, BARS) == "    "
    assert sparkline([3, 3], 2, BARS) == "▄▄", "a flat series stands at mid height"


def test_more_values_than_columns_are_averaged() -> None:
    assert squeeze([1, 3, 10, 20], 2) == [2, 15]


def test_logarithmic_leaves_out_zero() -> None:
    assert sparkline([0.0, 1e-4, 1.0], 3, BARS, log=True) == " ▁█"


@given(st.lists(st.none() | st.floats(), max_size=200), st.integers(0, 60), st.booleans())
def test_always_as_wide_as_asked(values: list[float | None], columns: int, log: bool) -> None:
    assert len(sparkline(values, columns, BARS, log=log)) == columns


@given(st.floats(), st.integers(0, 60))
def test_a_gauge_is_as_wide_as_asked(share: float, columns: int) -> None:
    done, rest = gauge(share, columns, "━─")
    assert len(done) + len(rest) == columns
