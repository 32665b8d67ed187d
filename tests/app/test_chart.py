"""The chart, as text: no app, no terminal."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dlmon.app.chart import Curve, Marks, Picture, draw
from dlmon.app.glyphs import ASCII, UNICODE, Glyphs
from dlmon.app.lines import text_of, width
from dlmon.plot.reduction import columns_of, means_of
from dlmon.plot.scale import horizontal, nice, vertical
from dlmon.state.snapshot import Points


def points(values: list[float]) -> Points:
    steps = list(range(len(values)))
    return Points(steps, values, values, values, values)


def picture(values: list[float], **more: object) -> Picture:
    return Picture([Curve("loss", points(values))], (), 0, max(1, len(values) - 1), **more)  # type: ignore[arg-type]


def rows(picture: Picture, wide: int, high: int, glyphs: Glyphs = UNICODE) -> list[str]:
    return [text_of(line) for line in draw(picture, wide, high, glyphs)[0]]


def test_a_falling_line_falls() -> None:
    drawn = rows(picture([1.0, 0.75, 0.5, 0.25, 0.0]), 26, 9, ASCII)
    assert drawn == [
        "1.0+**                    ",
        "   |  *                   ",
        "   |   ****               ",
        "0.5+       ****           ",
        "   |           ****       ",
        "   |               *      ",
        "  0+                **    ",
        "   ++-------+--------+----",
        "    0       2   step 4    ",
    ]
    first = [row.find("*") for row in drawn if "*" in row]
    assert first == sorted(first)


def test_braille_has_four_times_the_rows() -> None:
    drawn = rows(picture([float(i) for i in range(80)]), 44, 12)
    used = {character for row in drawn for character in row if 0x2800 < ord(character) < 0x2900}
    assert len(used) > 2
    assert drawn[-2].startswith("  └")


def test_evaluation_marks_cover_the_curve() -> None:
    shown = Picture([Curve("loss", points([1.0] * 40))], [Marks("val", [(20, 1.0)], 1)], 0, 39)
    assert any("●" in row for row in rows(shown, 60, 10))


def test_the_cursor_is_a_line_that_spares_the_curve() -> None:
    drawn = rows(picture([float(i) for i in range(40)], cursor=20), 60, 12)
    assert sum("│" in row[4:] for row in drawn) >= 6


def test_nothing_to_draw_is_empty_but_has_its_size() -> None:
    assert len(draw(Picture([]), 60, 12, UNICODE)[0]) == 12
    assert rows(picture([1.0]), 10, 3) == ["", "", ""]


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.floats(allow_nan=True, allow_infinity=True), max_size=60),
    st.integers(16, 90),
    st.integers(4, 24),
    st.booleans(),
    st.booleans(),
)
def test_any_values_give_a_chart_of_the_right_size(
    values: list[float], wide: int, high: int, log: bool, plain: bool
) -> None:
    glyphs = ASCII if plain else UNICODE
    lines, _ = draw(picture(values, log=log), wide, high, glyphs)
    assert len(lines) == high
    assert all(width(line) <= wide for line in lines)
    if plain:
        assert all(text_of(line).isascii() for line in lines)


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=300), st.integers(1, 40))
def test_columns_keep_every_minimum_and_maximum(values: list[float], columns: int) -> None:
    bands = [band for band in columns_of(points(values), 0, len(values) - 1, columns) if band]
    assert min(low for low, _ in bands) == min(values)
    assert max(high for _, high in bands) == max(values)


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=300), st.integers(1, 40))
def test_means_stay_within_their_values(values: list[float], columns: int) -> None:
    means = [mean for mean in means_of(range(len(values)), values, 0, len(values) - 1, columns) if mean is not None]
    assert means
    assert min(values) - 1e-3 <= min(means) <= max(means) <= max(values) + 1e-3


def test_a_spike_does_not_press_the_curve_flat() -> None:
    axis = vertical([0.5] * 100, [1.0] * 99 + [1e6], 20, log=False)
    assert axis.high < 2
    assert axis.cut == 1e6


def test_values_that_stay_high_are_not_cut() -> None:
    axis = vertical([0.5] * 100, [1.0] * 90 + [1e6] * 10, 20, log=False)
    assert axis.cut is None
    assert axis.high >= 1e6


def test_log_axis_has_decades_and_leaves_out_what_has_no_logarithm() -> None:
    axis = vertical([1e-3, 0.0, -1.0], [10.0], 20, log=True)
    assert [label for _, label in axis.ticks] == ["0.001", "0.01", "0.1", "1", "10"]
    assert axis.position(0.0) is None
    assert axis.position(10.0) == pytest.approx(1.0)


@pytest.mark.parametrize("value", [0.0, 1.0, -3.0, 1e-30, 1e30])
def test_a_flat_line_has_an_axis(value: float) -> None:
    axis = vertical([value], [value], 12, log=False)
    assert axis.low < value < axis.high


@given(st.floats(1e-12, 1e12))
def test_nice_steps_are_1_2_5(step: float) -> None:
    found = nice(step)
    assert found >= step * (1 - 1e-6)
    assert round(found / 10 ** math.floor(math.log10(found) + 1e-9), 6) in (1, 2, 5)


def test_the_step_axis_counts_whole_steps() -> None:
    assert [label for _, label in horizontal(0, 4, 80)] == ["0", "1", "2", "3", "4"]
    assert [label for _, label in horizontal(0, 2_000_000, 36)] == ["0", "1M", "2M"]
