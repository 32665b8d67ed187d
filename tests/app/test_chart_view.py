"""Zoom, cursor and choice of series."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from dlmon.app.chart_view import FEWEST_STEPS, ChartView, calm_end, chart_at, charts_of
from tests.app import frames


def test_it_follows_until_it_is_zoomed_about_a_cursor() -> None:
    view = ChartView().zoomed(1, 1000)
    assert view.window(1000) == (500, 1000)
    assert view.window(1100) == (600, 1100), "without a cursor the newest steps stay in sight"
    held = ChartView(cursor=200).zoomed(1, 1000)
    first, last = held.window(1000)
    assert last - first == 500
    assert first <= 200 <= last
    assert held.window(2000) == (first, last), "about a cursor the window stays where it is"
    assert held.released().window(2000) == (1500, 2000)


@given(st.integers(1, 10**5))
def test_the_edge_of_a_growing_chart_moves_rarely_and_never_far(last: int) -> None:
    edge = calm_end(last, last)
    assert last <= edge <= last * (1 + 1 / 16) + 1
    moves = len({calm_end(step, last) for step in range(last, last + max(1, last // 8))})
    assert moves <= 10


def test_out_and_out_shows_all_again() -> None:
    view = ChartView().zoomed(1, 1000).zoomed(-1, 1000)
    assert view == ChartView()


def test_the_cursor_drags_the_window_along() -> None:
    view = ChartView(span=100, end=500)
    for _ in range(120):
        view = view.moved(-1, 1000, 100)
    first, last = view.window(1000)
    assert view.cursor is not None
    assert first <= view.cursor <= last < 500


@given(st.lists(st.sampled_from(["+", "-", "<", ">"]), max_size=40), st.integers(1, 10**7))
def test_keys_never_leave_the_run(keys: list[str], last: int) -> None:
    view = ChartView()
    for key in keys:
        if key in "+-":
            view = view.zoomed(1 if key == "+" else -1, last)
        else:
            view = view.moved(1 if key == ">" else -1, last, 80)
    first, end = view.window(last)
    assert 0 <= first < end <= max(1, last)
    assert end - first >= min(FEWEST_STEPS, max(1, last))
    assert view.cursor is None or 0 <= view.cursor <= max(1, last)


def test_charts_in_order() -> None:
    snapshot = frames.running()
    charts = charts_of(snapshot)
    assert [chart.title for chart in charts] == ["loss", "accuracy"]
    assert [series.name for series in charts[0].marks] == ["val loss"]
    titles = [chart.title for index in range(4) if (chart := chart_at(snapshot, index))]
    assert titles == ["loss", "accuracy", "step time, ms", "loss"]


def test_a_script_that_only_logs_shows_its_logged_loss_first() -> None:
    from dataclasses import replace

    logged = [replace(frames.series(50, name=name), source="tensorboard") for name in ("lr", "train/loss")]
    snapshot = frames.running(series=tuple(logged))
    assert charts_of(snapshot)[0].title == "train/loss"


def test_step_times_begin_where_they_are_known() -> None:
    chart = chart_at(frames.running(), 2)
    assert chart is not None
    assert chart.first_step() == 1284 - 512
