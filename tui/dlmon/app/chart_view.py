"""Which part of which chart is looked at: zoom, cursor, scale. Immutable; each key gives the next one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from dlmon.app.chart import Curve, Marks
from dlmon.state.snapshot import Points, RunSnapshot, SeriesView

FEWEST_STEPS = 8  # as far as zooming in goes
FACTOR = 2
EDGE_PARTS = 32  # the right edge of a chart that follows a run moves by about this part of its width


@dataclass(frozen=True)
class ChartView:
    """span: steps shown, None for all. end: the last step shown, None to follow. cursor: a step, or None."""

    group: int = 0
    log: bool = False
    span: int | None = None
    end: int | None = None
    cursor: int | None = None

    def window(self, last: int, begin: int = 0) -> tuple[int, int]:
        """First and last step to show of a series from step `begin` to step `last`."""
        last = max(begin + 1, last)
        if self.span is None or self.span >= last - begin:
            return begin, last
        end = last if self.end is None else min(last, max(self.span, self.end))
        return end - self.span, end

    def zoomed(self, direction: int, last: int) -> ChartView:
        """In (1) or out (-1), about the cursor, or about the newest step."""
        first, end = self.window(last)
        span = end - first
        wanted = max(FEWEST_STEPS, span // FACTOR) if direction > 0 else span * FACTOR
        if wanted >= max(1, last):
            return replace(self, span=None, end=None)
        if self.cursor is None:
            return replace(self, span=wanted)
        middle = min(max(self.cursor, first), end)
        share = (middle - first) / max(1, span)
        new_end = min(last, max(wanted, round(middle + (1 - share) * wanted)))
        return replace(self, span=wanted, end=new_end)

    def moved(self, direction: int, last: int, columns: int) -> ChartView:
        """The cursor one column further; it begins at the newest step and drags the window along."""
        first, end = self.window(last)
        stride = max(1, round((end - first) / max(1, columns)))
        cursor = end if self.cursor is None else min(max(0, self.cursor + direction * stride), max(1, last))
        view = replace(self, cursor=cursor)
        if self.span is not None and cursor < first:
            return replace(view, end=max(self.span, cursor + self.span))
        if self.span is not None and cursor > end:
            return replace(view, end=cursor)
        return view

    def released(self) -> ChartView:
        """No cursor, and the window follows the run again."""
        return replace(self, cursor=None, end=None)


def calm_end(last: int, shown: int) -> int:
    """A step at or a little beyond `last` for the right edge of a chart over `shown` steps.

    It moves rarely, and between two moves a growing run only adds columns at the right: the eye rests, and a
    frame costs a fraction of the bytes.
    """
    quantum = 1 << max(0, (max(1, shown) // EDGE_PARTS).bit_length() - 1)
    return -(-last // quantum) * quantum


@dataclass(frozen=True)
class Chart:
    """Series that are drawn together: curves, and evaluation passes as marks."""

    title: str
    series: Sequence[SeriesView]
    marks: Sequence[SeriesView] = ()

    def curves(self) -> list[Curve]:
        return [
            Curve(series.name, series.points, series.smoothed if series.count > 8 else (), index)
            for index, series in enumerate(self.series)
        ]

    def evaluation_marks(self) -> list[Marks]:
        offset = len(self.series)
        return [Marks(series.name, values_of(series), offset + index, index) for index, series in enumerate(self.marks)]

    def first_step(self) -> int:
        """Where the axis begins: at 0, save for a series of which only the newest part is kept."""
        return min((series.points.step[0] for series in self.series if series.source == "timing"), default=0)

    def last_step(self) -> int:
        return max((series.last_step for series in (*self.series, *self.marks)), default=0)


def values_of(series: SeriesView) -> Sequence[tuple[int, float]]:
    """The single values: all of a short series, of a long one those that are kept."""
    if series.count <= len(series.recent):
        return series.recent
    return list(zip(series.points.step, series.points.last, strict=False))


def charts_of(snapshot: RunSnapshot) -> list[Chart]:
    """What there is to draw: first the losses with the evaluation losses, then every other series by itself.

    A script whose loss was not seen by itself shows first what it logs as its loss.
    """
    losses = [series for series in snapshot.series if series.source == "loss" and series.count]
    others = [series for series in snapshot.series if series.source != "loss" and series.count]
    evaluated = [series for series in others if series.source == "evaluation" and series.name.endswith("loss")]
    charts = [Chart("loss", losses, evaluated)] if losses or evaluated else []
    rest = [Chart(series.name, [series]) for series in others if series not in evaluated]
    if not charts:
        rest.sort(key=lambda chart: "loss" not in chart.title.lower())
    return charts + rest


def chart_at(snapshot: RunSnapshot, group: int) -> Chart | None:
    """The chart that `group` counts to, going round; after those of `charts_of` comes the one of the step times."""
    charts = charts_of(snapshot)
    leader = snapshot.leader
    timed = leader is not None and len(leader.rows.get("dt", ())) > 1
    amount = len(charts) + timed
    if not amount or not charts:
        return None
    at = group % amount
    return charts[at] if at < len(charts) else _step_times(snapshot)


def _step_times(snapshot: RunSnapshot) -> Chart | None:
    """The last steps' wall times in milliseconds."""
    leader = snapshot.leader
    times = list(leader.rows.get("dt", ())) if leader else []
    first = snapshot.step - len(times)
    known = [(first + index, seconds * 1e3) for index, seconds in enumerate(times) if seconds is not None]
    if len(known) < 2:
        return None
    steps, values = [step for step, _ in known], [value for _, value in known]
    points = Points(steps, values, values, values, values)
    series = SeriesView(
        "step time, ms", "timing", points=points, recent=tuple(known), last=values[-1], last_step=steps[-1],
        count=len(known),
    )  # fmt: skip
    return Chart("step time, ms", [series])
