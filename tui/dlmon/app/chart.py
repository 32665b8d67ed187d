"""The line chart, from thinned series to lines of text. Pure: no widget, no clock."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from dlmon.app.glyphs import Glyphs
from dlmon.app.lines import Line, Span
from dlmon.plot.raster import PATTERNS, Raster
from dlmon.plot.reduction import Band, column_of, columns_of, means_of, visible
from dlmon.plot.scale import Axis, horizontal, vertical
from dlmon.state.snapshot import Points

SERIES_ROLES = ("series0", "series1", "series2", "series3", "series4", "series5")
_ASCII_CURVES = "*#%@$&"


@dataclass(frozen=True)
class Curve:
    """A series to draw. points: its raw values, thinned; smoothed: aligned with points.step, or empty."""

    label: str
    points: Points
    smoothed: Sequence[float] = ()
    index: int = 0

    @property
    def role(self) -> str:
        return SERIES_ROLES[self.index % len(SERIES_ROLES)]


@dataclass(frozen=True)
class Marks:
    """Single values, such as evaluation passes: (step, value)."""

    label: str
    values: Sequence[tuple[int, float]]
    index: int = 0
    sign: int = 0  # which of the signs for single values

    @property
    def role(self) -> str:
        return SERIES_ROLES[self.index % len(SERIES_ROLES)]


@dataclass(frozen=True)
class Picture:
    """What to draw over the steps first..last. cursor: a step, or None."""

    curves: Sequence[Curve]
    marks: Sequence[Marks] = ()
    first: int = 0
    last: int = 1
    log: bool = False
    cursor: int | None = None


@dataclass
class _Canvas:
    """The plot area while it is drawn: layers of dots, later ones covering earlier ones, and single signs on top."""

    columns: int
    rows: int
    glyphs: Glyphs
    layers: list[tuple[Raster, str, str]] = field(default_factory=list)  # dots, role, mark in ASCII
    signs: dict[tuple[int, int], Span] = field(default_factory=dict)  # by (column, row)
    cursor: int | None = None  # a column

    def layer(self, role: str, mark: str) -> Raster:
        raster = Raster(self.columns, self.rows, ascii=self.glyphs.ascii)
        self.layers.append((raster, role, mark))
        return raster

    def row(self, row: int) -> list[Span]:
        """The cells of a row, those of one role that stand together as one span."""
        cells = [" "] * self.columns
        roles = ["text"] * self.columns
        for raster, role, mark in self.layers:
            bits = raster.cells[row]
            if any(bits):
                for column, dots in enumerate(bits):
                    if dots:
                        cells[column], roles[column] = raster.sign(dots, mark), role
        if self.cursor is not None and roles[self.cursor] in ("text", "raw"):
            cells[self.cursor], roles[self.cursor] = self.glyphs.cursor, "cursor"
        for (column, at), span in self.signs.items():
            if at == row:
                cells[column], roles[column] = span
        return _runs(cells, roles)


def _runs(cells: Sequence[str], roles: Sequence[str]) -> list[Span]:
    runs, start = [], 0
    for end in range(1, len(cells) + 1):
        if end == len(cells) or roles[end] != roles[start]:
            runs.append(Span("".join(cells[start:end]), roles[start]))
            start = end
    return runs


def draw(picture: Picture, width: int, height: int, glyphs: Glyphs) -> tuple[list[Line], Axis]:
    """The chart in exactly `height` lines of at most `width` cells, with its axes; and the vertical axis it chose.

    Needs at least 4 rows and 16 columns; below that the lines are empty.
    """
    rows = height - 2
    if rows < 2 or width < 16:
        return [()] * height, Axis(0.0, 1.0, False, ())
    axis = _axis(picture, rows)
    labels = _tick_rows(axis, rows)
    margin = max([len(label) for label in labels.values()], default=1)
    canvas = _Canvas(width - margin - 1, rows, glyphs)
    _plot(canvas, picture, axis)
    body = [_row(canvas, row, labels.get(row), margin, glyphs) for row in range(rows)]
    return [*body, *_foot(picture, canvas.columns, margin, glyphs)], axis


def _axis(picture: Picture, rows: int) -> Axis:
    lows: list[float] = []
    highs: list[float] = []
    for curve in picture.curves:
        seen = visible(curve.points.step, picture.first, picture.last)
        lows += curve.points.low[seen.start : seen.stop]
        highs += curve.points.high[seen.start : seen.stop]
    marks = [value for marks in picture.marks for step, value in marks.values if picture.first <= step <= picture.last]
    return vertical([*lows, *marks], [*highs, *marks], rows, picture.log)


def _tick_rows(axis: Axis, rows: int) -> dict[int, str]:
    labels: dict[int, str] = {}
    for tick, label in axis.ticks:
        share = (tick - axis.low) / (axis.high - axis.low)
        labels[rows - 1 - round(share * (rows - 1))] = label
    return labels


def _plot(canvas: _Canvas, picture: Picture, axis: Axis) -> None:
    first, last = picture.first, picture.last
    for curve in picture.curves:
        faint = canvas.layer("raw", ":" if canvas.glyphs.ascii else "")
        _draw_band(faint, columns_of(curve.points, first, last, faint.width), axis)
    for curve in picture.curves:
        strong = canvas.layer(curve.role, _ASCII_CURVES[curve.index % len(_ASCII_CURVES)])
        values = curve.smoothed or curve.points.mean
        pattern = PATTERNS[curve.index % len(PATTERNS)]
        _draw_curve(strong, means_of(curve.points.step, values, first, last, strong.width), axis, pattern)
    if picture.cursor is not None and first <= picture.cursor <= last:
        canvas.cursor = column_of(picture.cursor, first, last, canvas.columns)
    for marks in picture.marks:
        sign = canvas.glyphs.evaluation[marks.sign % len(canvas.glyphs.evaluation)]
        for step, value in marks.values:
            share = axis.position(value)
            if share is not None and first <= step <= last:
                row = canvas.rows - 1 - round(share * (canvas.rows - 1))
                canvas.signs[column_of(step, first, last, canvas.columns), row] = Span(sign, marks.role)


def _height(raster: Raster, axis: Axis, value: float) -> int | None:
    share = axis.position(value)
    return None if share is None else round(share * (raster.height - 1))


def _draw_band(raster: Raster, bands: Sequence[Band | None], axis: Axis) -> None:
    """Each column from its lowest to its highest value, stretched to touch the column before, so that it reads as a
    line; across empty columns a straight line."""
    before: tuple[int, int, int] | None = None
    for x, band in enumerate(bands):
        if band is None:
            continue
        low, high = _height(raster, axis, band[0]), _height(raster, axis, band[1])
        if high is None:
            before = None
            continue
        low = high if low is None else low
        if before is not None and x - before[0] > 1:
            raster.stroke(before[0], (before[1] + before[2]) // 2, x, (low + high) // 2)
        elif before is not None:
            low, high = min(low, before[2] + 1), max(high, before[1] - 1)
        raster.upright(x, low, high)
        before = x, low, high


def _draw_curve(raster: Raster, values: Sequence[float | None], axis: Axis, pattern: Sequence[bool]) -> None:
    before: tuple[int, int] | None = None
    for x, value in enumerate(values):
        y = None if value is None else _height(raster, axis, value)
        if y is None:
            continue
        raster.stroke(*(before or (x, y)), x, y, pattern)
        before = x, y


def _row(canvas: _Canvas, row: int, label: str | None, margin: int, glyphs: Glyphs) -> Line:
    tick = glyphs.axis[1] if label else glyphs.axis[0]
    runs = canvas.row(row)
    return (Span((label or "").rjust(margin) + tick, "axis"), *runs)


def _foot(picture: Picture, columns: int, margin: int, glyphs: Glyphs) -> list[Line]:
    """The step axis: a line with ticks, and the labels below, with their unit behind the last one, or before it."""
    axis, labels = [glyphs.frame[4]] * columns, [" "] * columns
    free, last = 0, (0, 0)  # the first free column; where the last label starts, and the gap before it
    for tick, label in horizontal(picture.first, picture.last, columns):
        column = column_of(int(tick), picture.first, picture.last, columns)
        start = min(max(0, column - len(label) // 2), columns - len(label))
        axis[column] = glyphs.axis[3]
        if start >= free:
            labels[start : start + len(label)] = label
            last = start, start - free
            free = start + len(label) + 2
    if free + 4 <= columns:
        labels[columns - 4 :] = "step"
    elif last[1] >= 3:  # two columns are kept free behind a label already
        labels[last[0] - 5 : last[0] - 1] = "step"
    edge = " " * margin
    return [
        (Span(edge + glyphs.axis[4] + "".join(axis), "axis"),),
        (Span(edge + " " + "".join(labels), "axis"),),
    ]
