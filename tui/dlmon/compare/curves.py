"""Curves of several runs laid over each other as text, for a terminal without a screen and for a pipe."""

from __future__ import annotations

from collections.abc import Sequence

from dlmon.compare.metrics import MANY, TRAIN, VALIDATION, named_series
from dlmon.compare.side import Side
from dlmon.plot.raster import PATTERNS, Raster
from dlmon.plot.reduction import column_of, means_of
from dlmon.plot.scale import Axis, horizontal, vertical
from dlmon.state.snapshot import SeriesView

ROWS = 12
MOST_CHARTS = 2
LETTER_EVERY = 16  # columns between two letters on a curve
SINGLE = 24  # a series with fewer values is drawn as points, too


def charts(sides: Sequence[Side], width: int, *, ascii: bool) -> list[str]:
    """The train losses and the validation losses, each in ROWS rows, at most `width` columns wide."""
    named = [named_series(side) for side in sides]
    wanted = [name for name in dict.fromkeys(name for found in named for name in found) if "loss" in name.lower()]
    wanted.sort(key=lambda name: (not name.startswith(VALIDATION), not name.startswith(TRAIN), name))
    lines: list[str] = []
    for name in wanted[:MOST_CHARTS]:
        curves = [(side.letter, found[name]) for side, found in zip(sides, named, strict=True) if name in found]
        drawn = overlay(curves, width, ROWS, ascii=ascii)
        if drawn:
            lines += ["", f"{name}: {', '.join(letter for letter, _ in curves)}", *drawn]
    return lines


def overlay(curves: Sequence[tuple[str, SeriesView]], width: int, rows: int, *, ascii: bool) -> list[str]:
    """(letter, series) as one picture, its axes included; empty where there is nothing finite to draw."""
    values = [value for _, series in curves for value in drawn_values(series) if value is not None]
    last = max((series.last_step for _, series in curves), default=0)
    if not values or width < 24:
        return []
    axis = vertical(values, values, rows, False)
    labels = {
        rows - 1 - round((tick - axis.low) / (axis.high - axis.low) * (rows - 1)): text for tick, text in axis.ticks
    }
    margin = max(map(len, labels.values()), default=1)
    columns = width - margin - 1
    cells = [[" "] * columns for _ in range(rows)]
    for index, (letter, series) in enumerate(curves):
        _draw(cells, letter, index, series, max(1, last), axis, ascii)
    side, tick, floor, mark = "|+-+" if ascii else "│┤─┬"
    body = [
        f"{labels.get(row, '').rjust(margin)}{tick if row in labels else side}{''.join(cells[row]).rstrip()}"
        for row in range(rows)
    ]
    return [*body, *_foot(max(1, last), columns, margin, floor, mark, "+" if ascii else "└")]


def drawn_values(series: SeriesView) -> Sequence[float]:
    """What is drawn of a series: its average where it has one worth the name."""
    return series.smoothed if series.count > MANY and series.smoothed else series.points.mean


def _draw(
    cells: list[list[str]], letter: str, index: int, series: SeriesView, last: int, axis: Axis, ascii: bool
) -> None:
    rows, columns = len(cells), len(cells[0])
    raster = Raster(columns, rows, ascii=ascii)
    means = means_of(series.points.step, drawn_values(series), 0, last, raster.width)
    before: tuple[int, int] | None = None
    marks: list[tuple[int, int]] = []
    for x, value in enumerate(means):
        share = None if value is None else axis.position(value)
        if share is None:
            continue
        y = round(share * (raster.height - 1))
        raster.stroke(*(before or (x, y)), x, y, PATTERNS[index % len(PATTERNS)])
        before = x, y
        marks.append((x // raster.across, rows - 1 - y // raster.up))
    for row in range(rows):
        for column, bits in enumerate(raster.cells[row]):
            if bits:
                cells[row][column] = raster.sign(bits, letter.lower())
    _letters(cells, letter, index, marks)


def _letters(cells: list[list[str]], letter: str, index: int, marks: Sequence[tuple[int, int]]) -> None:
    """The run's letter along its curve and at its end, those of several runs in different columns."""
    for column, row in marks:
        if len(marks) <= SINGLE or column % LETTER_EVERY == (3 * index + 2) % LETTER_EVERY:
            cells[row][column] = letter
    if marks:
        column, row = marks[-1]
        cells[row][column] = letter


def _foot(last: int, columns: int, margin: int, floor: str, mark: str, corner: str) -> list[str]:
    axis, labels = [floor] * columns, [" "] * columns
    free = 0
    for tick, label in horizontal(0, last, columns):
        column = column_of(int(tick), 0, last, columns)
        axis[column] = mark
        start = min(max(0, column - len(label) // 2), columns - len(label))
        if start >= free:
            labels[start : start + len(label)] = label
            free = start + len(label) + 2
    if free + 4 <= columns:
        labels[columns - 4 :] = "step"
    return [" " * margin + corner + "".join(axis), (" " * margin + " " + "".join(labels)).rstrip()]
