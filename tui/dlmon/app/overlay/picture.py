"""Curves of several runs in one picture: each run has a colour, a stroke and its letter. Pure: no widget, no clock."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from dlmon.app.chart import SERIES_ROLES, Curve, Picture, draw
from dlmon.app.chart_view import ChartView
from dlmon.app.glyphs import Glyphs
from dlmon.app.lines import Line, Span, cut, fit, line, pad
from dlmon.compare.metrics import best, higher_is_better, named_series, reading
from dlmon.compare.side import Side
from dlmon.plot.reduction import column_of, means_of
from dlmon.plot.scale import Axis, horizontal
from dlmon.state.snapshot import Points, SeriesView
from dlmon.text import count, duration, number

MANY = 64  # a series with more values is drawn as an average over its faint values
_STROKES = ("──", "╌╌", "··", "─·")
_ASCII = "*#%@$&"
_MILLISECONDS = 1000


@dataclass(frozen=True)
class Look:
    """What the keys have chosen. chart: counts through the names."""

    chart: int = 0
    time: bool = False
    smooth: bool = True
    view: ChartView = field(default_factory=ChartView)


@dataclass(frozen=True)
class Shown:
    """A run with the series that is drawn of it; None where it has none of that name."""

    side: Side
    series: SeriesView | None
    index: int

    @property
    def role(self) -> str:
        return SERIES_ROLES[self.index % len(SERIES_ROLES)]


def names_of(sides: Sequence[Side]) -> list[str]:
    """What can be drawn: the losses first, what most runs have before what only some have."""
    found: dict[str, int] = {}
    for side in sides:
        for name in named_series(side):
            found[name] = found.get(name, 0) + 1

    def rank(name: str) -> tuple[bool, bool, int]:
        return not name.startswith("train loss"), "loss" not in name.lower(), -found[name]

    return sorted(found, key=rank)


def shown_of(sides: Sequence[Side], name: str) -> list[Shown]:
    return [Shown(side, named_series(side).get(name), index) for index, side in enumerate(sides)]


def picture_lines(shown: Sequence[Shown], look: Look, room: int, height: int, glyphs: Glyphs) -> list[Line]:
    """The chart, its axes included, in `height` lines."""
    curves = [_curve(one, look) for one in shown if one.series is not None]
    steps = [curve.points.step[-1] for curve in curves if curve.points.step]
    if not steps:
        return [line((" nothing to draw yet: no run has a value", "dim"))]
    first, last = look.view.window(max(steps))
    made = Picture(curves, (), first, last, look.view.log)
    lines, axis = draw(made, room, height, glyphs)
    if len(lines) < 4 or not lines[0]:
        return lines
    margin = len(lines[0][0].text) - 1
    columns = room - margin - 1
    letters = {one.index: one.side.letter for one in shown}
    lines = _with_letters(lines, curves, letters, made, axis, columns)
    return _with_seconds(lines, first, last, columns, margin, glyphs) if look.time else lines


def _curve(one: Shown, look: Look) -> Curve:
    series = one.series or SeriesView("", "")
    points = _over_time(series.points, one.side) if look.time else series.points
    return Curve(one.side.letter, points, series.smoothed if look.smooth and series.count > MANY else (), one.index)


def _over_time(points: Points, side: Side) -> Points:
    """The same values at the milliseconds after the start of the training at which their steps were done."""
    if not side.times:
        return Points()
    steps = [step for step, _ in side.times]
    moments: list[int] = []
    for step in points.step:
        at = bisect_left(steps, step)
        if at >= len(steps):
            seconds = side.times[-1][1]
        elif steps[at] == step or at == 0:
            seconds = side.times[at][1]
        else:
            (one, before), (two, after) = side.times[at - 1], side.times[at]
            seconds = before + (after - before) * (step - one) / (two - one)
        moments.append(max(round(seconds * _MILLISECONDS), moments[-1] if moments else 0))
    return replace(points, step=moments)


def _with_letters(
    lines: list[Line], curves: Sequence[Curve], letters: dict[int, str], made: Picture, axis: Axis, columns: int
) -> list[Line]:
    """Each run's letter at the end of its curve; where two meet, the later one stands before it."""
    rows = len(lines) - 2
    taken: set[tuple[int, int]] = set()
    for curve in curves:
        values = curve.smoothed or curve.points.mean
        means = means_of(curve.points.step, values, made.first, made.last, columns)
        known = [
            (at, share)
            for at, mean in enumerate(means)
            if mean is not None and (share := axis.position(mean)) is not None
        ]
        while known:
            column, share = known.pop()
            row = rows - 1 - round(share * (rows - 1))
            if (column, row) not in taken:
                taken.add((column, row))
                lines[row] = _put(lines[row], column, Span(letters[curve.index], curve.role))
                break
    return lines


def _put(spans: Line, column: int, sign: Span) -> Line:
    """One cell of a row of the chart replaced; `column` counts from behind the axis."""
    made: list[Span] = [spans[0]]
    at = 0
    for span in spans[1:]:
        end = at + len(span.text)
        if at <= column < end:
            before, after = span.text[: column - at], span.text[column - at + 1 :]
            made += [part for part in (Span(before, span.role), sign, Span(after, span.role)) if part.text]
        else:
            made.append(span)
        at = end
    if column >= at:
        made += [Span(" " * (column - at)), sign] if column > at else [sign]
    return tuple(made)


def _with_seconds(lines: list[Line], first: int, last: int, columns: int, margin: int, glyphs: Glyphs) -> list[Line]:
    """The two lines below the chart for an axis of time."""
    unit, factor = ("min", 60.0) if last - first > 7200 * _MILLISECONDS else ("s", 1.0)
    scale = _MILLISECONDS * factor
    axis, labels = [glyphs.frame[4]] * columns, [" "] * columns
    free, behind = 0, (0, 0)  # where the last label starts, and the gap before it
    for tick, label in horizontal(first / scale, last / scale, columns):
        column = column_of(int(tick * scale), first, last, columns)
        axis[column] = glyphs.axis[3]
        start = min(max(0, column - len(label) // 2), columns - len(label))
        if start >= free:
            labels[start : start + len(label)] = label
            behind = start, start - free
            free = start + len(label) + 2
    if free + len(unit) <= columns:
        labels[columns - len(unit) :] = unit
    elif behind[1] > len(unit):
        labels[behind[0] - len(unit) - 1 : behind[0] - 1] = unit
    edge = " " * margin
    foot = [(Span(edge + glyphs.axis[4] + "".join(axis), "axis"),), (Span(edge + " " + "".join(labels), "axis"),)]
    return [*lines[:-2], *foot]


def legend_lines(shown: Sequence[Shown], name: str, room: int, most: int, glyphs: Glyphs) -> list[Line]:
    """A row for each run: letter, stroke, name, state, value at the end, the best one."""
    wide = max(len(one.side.name) for one in shown)
    left = min(wide, max(12, room - 52))
    rows = [_legend(one, name, left, room, glyphs) for one in shown]
    if len(rows) <= most:
        return rows
    return [*rows[: most - 1], line((f" and {len(rows) - most + 1} more", "dim"))]


def _legend(one: Shown, name: str, left: int, room: int, glyphs: Glyphs) -> Line:
    stroke = _ASCII[one.index % len(_ASCII)] * 2 if glyphs.ascii else _STROKES[one.index % len(_STROKES)]
    snapshot = one.side.snapshot
    head = line((f" {one.side.letter} {stroke} ", one.role), (pad(cut(one.side.name, left), left), "text"), " ")
    if one.series is None:
        return fit((*head, *line((f" no {name}", "dim"))), room)
    end = reading(one.series)
    higher = higher_is_better(name)
    top = best(one.series, higher) if higher is not None else None
    bad = end.value is not None and not math.isfinite(end.value)
    told = line(
        (f" {number(end.value):>8}", "bad" if bad else "strong"),
        (f"  best {number(top.value)} at {count(top.step)}" if top and top.value is not None else "", "text"),
        (f"  {snapshot.state}, {count(snapshot.step)} steps, {duration(snapshot.elapsed)}", "dim"),
    )
    return fit((*head, *told), room)
