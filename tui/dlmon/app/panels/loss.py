"""The loss chart: raw values faint, the average strong, evaluation passes as marks."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Sequence

from dlmon.app.chart import SERIES_ROLES, Picture, draw
from dlmon.app.chart_view import Chart, ChartView, calm_end, chart_at, values_of
from dlmon.app.content import Content, waiting
from dlmon.app.glyphs import Glyphs
from dlmon.app.lines import Line, Span, cut, fit, joined, line, width
from dlmon.app.panels.base import Panel
from dlmon.app.panels.stages import stages_content
from dlmon.app.source import Frame
from dlmon.app.sparkline import sparkline
from dlmon.state.snapshot import IMPORTING, OVER, PREPARING, STARTING, RunSnapshot, SeriesView
from dlmon.text import count, number, place, plural, setting

_STROKES = ("──", "╌╌", "··", "─·", "──", "╌╌")


def loss_content(
    frame: Frame, view: ChartView, room: int, height: int, glyphs: Glyphs, *, alone: bool = False
) -> Content:
    """The chart with its legend on top. Says what it waits for while there is nothing to draw; where no other panel
    is in sight (`alone`), below it what the run has shown so far."""
    chart = chart_at(frame.view.snapshot, view.group) if frame.view else None
    if chart is None:
        lines = waiting(_waiting_for(frame), room, height)
        if alone and frame.view:
            lines += [(), *stages_content(frame, room, height - len(lines) - 1, glyphs).lines]
        return Content(lines)
    newest, begin = chart.last_step(), chart.first_step()
    over = frame.view is not None and frame.view.snapshot.over
    if not over and view.end is None:
        newest = calm_end(newest, view.span or newest - begin)
    first, last = view.window(newest, begin)
    picture = Picture(chart.curves(), chart.evaluation_marks(), first, last, view.log, view.cursor)
    legend = legend_of(chart, room, glyphs)
    body, axis = draw(picture, room, height - len(legend), glyphs)
    notes = [chart.title] if chart.title != "loss" else []
    notes += [_lr(frame)] if chart.title == "loss" and _lr(frame) else []
    notes += ["log scale"] if view.log else []
    notes += [f"steps {count(first)}–{count(min(last, chart.last_step()))}"] if view.span is not None else []
    notes += [f"highest {number(axis.cut)} is above the top"] if axis.cut is not None else []
    if view.cursor is not None:
        notes = [read_out(chart, view.cursor)]
    return Content([*legend, *body], ", ".join(notes))


def _lr(frame: Frame) -> str:
    lr = frame.view.snapshot.lr if frame.view else None
    return f"learning rate {setting(lr)}" if lr is not None else ""


def _waiting_for(frame: Frame) -> str:
    snapshot = frame.view.snapshot if frame.view else None
    if snapshot is None or snapshot.state in (STARTING, IMPORTING, PREPARING):
        return "first loss not seen yet: it is drawn from the first backward call on"
    if snapshot.state in OVER:
        return "no loss was seen: the run ended before its first backward call"
    return "no loss seen yet: waiting for the first backward call"


def legend_of(chart: Chart, room: int, glyphs: Glyphs) -> list[Line]:
    """Name, line of the source and newest value of each series; on one row, without the sources if that makes them
    fit, else on two."""
    entries = _entries(chart, glyphs, places=True)
    rows = _rows(entries, room)
    if len(rows) > 1:
        short = _rows(_entries(chart, glyphs, places=False), room)
        rows = short if len(short) == 1 or len(rows) > 2 else rows
    if len(rows) > 2:
        rows = [rows[0], (*fit(rows[1], room - 2), Span(" …", "dim"))]
    return [fit(row, room) for row in rows]


def _entries(chart: Chart, glyphs: Glyphs, *, places: bool) -> list[Line]:
    entries = [_entry(series, _stroke(index, glyphs), index, places) for index, series in enumerate(chart.series)]
    for index, series in enumerate(chart.marks):
        sign = glyphs.evaluation[index % len(glyphs.evaluation)]
        entries.append(_entry(series, sign, len(chart.series) + index, places))
    return entries


def _rows(entries: Sequence[Line], room: int) -> list[Line]:
    rows: list[Line] = [()]
    for entry in entries:
        if rows[-1] and width(rows[-1]) + 3 + width(entry) > room:
            rows.append(())
        gap = line("   ") if rows[-1] else ()
        rows[-1] = (*rows[-1], *gap, *entry)
    return rows


def _stroke(index: int, glyphs: Glyphs) -> str:
    return "*#%@$&"[index % 6] * 2 if glyphs.ascii else _STROKES[index % len(_STROKES)]


def _entry(series: SeriesView, sign: str, index: int, places: bool) -> Line:
    where = place(series.where.file, series.where.line) if series.where and places else ""
    role = SERIES_ROLES[index % len(SERIES_ROLES)]
    value = number(series.last)
    bad = series.last is not None and not math.isfinite(series.last)
    return line(
        (sign, role), (f" {cut(series.name, 28)} ", "text"), (value, "bad" if bad else "strong"),
        (f" ({where})" if where else "", "dim"),
    )  # fmt: skip


def read_out(chart: Chart, step: int) -> str:
    """What stands under the cursor: `step 1,284: loss 0.0711 (0.065 to 0.081)`."""
    parts = []
    for series in chart.series:
        value = _at(series, step)
        if value:
            parts.append(f"{series.name} {value}")
    for series in chart.marks:
        near = [(at, value) for at, value in values_of(series) if at <= step]
        if near:
            parts.append(f"{series.name} {number(near[-1][1])} at {count(near[-1][0])}")
    return f"step {count(step)}: " + (", ".join(parts) or "no value")


def _at(series: SeriesView, step: int) -> str:
    if series.recent and series.recent[0][0] <= step:
        exact = [value for at, value in series.recent if at == step]
        if exact:
            return number(exact[-1])
    index = bisect_right(series.points.step, step) - 1
    if index < 0:
        return ""
    low, high, mean = series.points.low[index], series.points.high[index], series.points.mean[index]
    return number(mean) if low == high else f"{number(mean)} ({number(low)} to {number(high)})"


def loss_strip(snapshot: RunSnapshot | None, room: int, glyphs: Glyphs) -> Line:
    """The loss in one row, for narrow screens: name, value, and its whole course as a sparkline."""
    chart = chart_at(snapshot, 0) if snapshot else None
    if chart is None or not chart.series:
        return fit(line((" loss  ", "dim"), ("not seen yet", "dim")), room)
    series = chart.series[0]
    parts: list[tuple[str, str]] = [(f" {cut(series.name, 16)} {number(series.last)}", "strong")]
    after = [f"{marks.name} {number(marks.last)}" for marks in chart.marks[:1]]
    after += [f"{other.name} {number(other.last)}" for other in chart.series[1:3]]
    if len(chart.series) > 3:
        after.append(plural(len(chart.series) - 3, "more series", "more series"))
    tail = joined([(text, "text") for text in after])
    head = joined(parts)
    columns = max(0, room - width(head) - width(tail) - 7)
    spark = sparkline(_course(series), columns, glyphs.bars)
    return fit((*head, Span("  "), Span(spark, "series0"), Span("   "), *tail), room)


def _course(series: SeriesView) -> Sequence[float]:
    return series.smoothed or series.points.mean


class Loss(Panel):
    """The widget; `view` is what the chart keys have chosen."""

    title_text = "loss"
    number = 1

    def __init__(self) -> None:
        super().__init__()
        self.view = ChartView()

    def content(self, room: int, height: int) -> Content:
        return loss_content(self.frame_now, self.view, room, height, self.glyphs, alone=self.frameless)

    def look(self, view: ChartView) -> None:
        self.view = view
        self.redraw()

    def chart(self) -> Chart | None:
        return chart_at(self.frame_now.view.snapshot, self.view.group) if self.frame_now.view else None

    def last_step(self) -> int:
        chart = self.chart()
        return chart.last_step() if chart else 0

    def columns(self) -> int:
        return max(16, self.size.width - 12)

    def scroll_edge(self, direction: int) -> None:
        if direction > 0:
            self.look(self.view.released())

    def back(self) -> bool:
        if self.view.cursor is None and self.view.span is None:
            return False
        self.look(ChartView(group=self.view.group, log=self.view.log))
        return True
