from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dlmon.state.series import FIRST_VALUES, MOST_NONFINITE, RECENT_VALUES, Series, smooth

VALUES = st.one_of(st.none(), st.floats(), st.floats(-10, 10))


def test_few_values_are_kept_as_they_are() -> None:
    series = Series("loss", "loss")
    series.extend(0, [3.0, 2.0, 1.0])
    view = series.view()
    assert view.points.step == (0, 1, 2) and view.points.mean == view.points.low == view.points.high == (3.0, 2.0, 1.0)
    assert view.first == view.recent == ((0, 3.0), (1, 2.0), (2, 1.0))
    assert (view.last, view.last_step, view.count) == (1.0, 2, 3)


def test_a_million_steps_stay_in_2048_buckets_with_true_extremes() -> None:
    series = Series("loss", "loss")
    for first in range(0, 1_000_000, 250):
        series.extend(first, [first + i + 0.0 for i in range(250)])
    series.append(1_000_000, -5.0)
    points = series.view().points
    assert 1000 < len(points.step) <= 2048
    assert points.low[-1] == -5.0 and points.high[-2] == points.step[-1] - 1 and points.low[0] == 0.0
    assert list(points.step) == sorted(set(points.step))
    assert points.mean[3] == pytest.approx((points.low[3] + points.high[3]) / 2)
    view = series.view()
    assert (
        len(view.first) == FIRST_VALUES and len(view.recent) == RECENT_VALUES and view.recent[-1] == (1_000_000, -5.0)
    )


def test_what_is_not_finite_is_listed_and_leaves_the_buckets_alone() -> None:
    series = Series("loss", "loss")
    series.extend(0, [1.0, math.nan, None, math.inf, 3.0])
    view = series.view()
    assert view.points.nonfinite == (1, 3) and view.points.step == (0, 4)
    assert [step for step, _ in view.first] == [0, 1, 3, 4] and view.count == 4
    series.extend(5, [math.nan] * 5000)
    assert len(series.view().points.nonfinite) == MOST_NONFINITE and math.isnan(series.view().last or 0)


def test_values_whose_sum_overflows_are_not_lost() -> None:
    series = Series("loss", "loss")
    series.extend(0, [1e308, 1e308, 1.0])
    assert series.view().points.high[-1] == 1.0 and series.view().points.nonfinite == (0, 1)


def test_a_view_is_made_once_per_change() -> None:
    series = Series("loss", "loss")
    series.append(0, 1.0)
    assert series.view() is series.view()
    before = series.view()
    series.append(1, 2.0)
    assert series.view() is not before and before.count == 1


def test_steps_that_go_back_do_not_break_the_order() -> None:
    series = Series("metric", "tensorboard")
    for step in (5, 7, 3, 9, 0):
        series.append(step, float(step))
    assert list(series.view().points.step) == [5, 7, 9] and series.view().points.low[-1] == 0.0


def test_smoothing_starts_at_the_first_value_and_follows() -> None:
    assert smooth([]) == ()
    assert smooth([2.0]) == (2.0,)
    constant = smooth([3.0] * 500)
    assert constant == pytest.approx([3.0] * 500)
    stairs = smooth([0.0] * 500 + [1.0] * 500)
    assert stairs[499] == 0.0 and 0 < stairs[505] < 0.5 and stairs[-1] > 0.99


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(st.integers(-5, 100_000), st.lists(VALUES, max_size=40)), max_size=20), st.integers(2, 16))
def test_fixed_memory_and_true_totals_whatever_comes(blocks: list[tuple[int, list[float | None]]], most: int) -> None:
    series = Series("x", "loss", most=most)
    seen: list[float] = []
    for first, values in blocks:
        series.extend(first, values)
        seen += [value for value in values if value is not None]
    view = series.view()
    finite = [value for value in seen if math.isfinite(value) and abs(value) < 1e300]
    assert len(view.points.step) <= most and view.count == len(seen)
    assert list(view.points.step) == sorted(set(view.points.step))
    assert len(view.smoothed) == len(view.points.step)
    assert all(low <= high for low, high in zip(view.points.low, view.points.high, strict=True))
    if finite:
        assert min(view.points.low) == min(finite) and max(view.points.high) == max(finite)
    else:
        assert not view.points.step


@settings(max_examples=60, deadline=None)
@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=400), st.data())
def test_blocks_and_single_values_give_the_same(values: list[float], data: st.DataObject) -> None:
    by_one, by_block = Series("a", "loss", most=16), Series("a", "loss", most=16)
    for step, value in enumerate(values):
        by_one.append(step, value)
    start = 0
    while start < len(values):
        stop = start + data.draw(st.integers(1, 50))
        by_block.extend(start, values[start:stop])
        start = stop
    one, block = by_one.view(), by_block.view()
    assert one.points.mean == pytest.approx(block.points.mean)
    assert one.points.step == block.points.step and one.points.low == block.points.low
    assert (one.first, one.recent, one.points.last) == (block.first, block.recent, block.points.last)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 3), st.floats(-100, 100) | st.just(math.nan)), max_size=400), st.data())
def test_one_at_a_time_or_with_looks_between_it_is_the_same_series(
    rows: list[tuple[int, float]], data: st.DataObject
) -> None:
    one, other = Series("a", "tensorboard", most=16), Series("a", "tensorboard", most=16)
    step = 0
    for ahead, value in rows:
        step += ahead
        one.append(step, value)
        other.extend(step, [value])
        if data.draw(st.booleans()):
            one.view()
    assert repr(one.view()) == repr(other.view())


@settings(max_examples=100, deadline=None)
@given(st.lists(st.floats(-100, 100), min_size=1, max_size=60), st.integers(0, 60), st.integers(0, 40))
def test_a_block_that_comes_in_two_parts_makes_no_difference(values: list[float], cut: int, before: int) -> None:
    whole, parts = Series("a", "loss", most=8), Series("a", "loss", most=8)
    for series in (whole, parts):
        series.extend(0, [0.5] * before)
    whole.extend(before, values)
    parts.extend(before, values[:cut])
    parts.extend(before + len(values[:cut]), values[cut:])
    assert parts.view().points.low == whole.view().points.low
    assert parts.view().points.mean == pytest.approx(whole.view().points.mean, rel=1e-12, abs=1e-12)
    assert parts.view().recent == whole.view().recent


def test_a_view_stays_as_it_was_though_it_is_looked_at_later() -> None:
    series = Series("loss", "loss", most=8)
    series.extend(0, [1.0, 2.0, 3.0])
    before = series.view()
    series.extend(3, [4.0] * 100)
    assert before.points.step == (0, 1, 2) and before.points.high == (1.0, 2.0, 3.0)
    assert before.recent == ((0, 1.0), (1, 2.0), (2, 3.0)) and len(before.smoothed) == 3
    assert before.points is before.points


def test_an_absurd_step_is_refused_at_once() -> None:
    series = Series("loss", "loss")
    for attempt in (lambda: series.append(10**30, 1.0), lambda: series.extend(10**30, [1.0])):
        with pytest.raises(OverflowError):
            attempt()
    assert series.view().count == 0
