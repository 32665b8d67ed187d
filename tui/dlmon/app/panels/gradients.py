"""Gradient health: one row for each parameter, or for each module; worst first."""

from __future__ import annotations

import math
from collections.abc import Sequence

from dlmon.app.content import Content, waiting
from dlmon.app.glyphs import Glyphs
from dlmon.app.health import Row, rows_of
from dlmon.app.lines import Line, Span, cut_left, line, pad
from dlmon.app.panels.base import Panel
from dlmon.app.source import Frame
from dlmon.app.sparkline import sparkline
from dlmon.state.snapshot import ParameterView
from dlmon.text import aligned, count, percent, plural

_NUMBER = 9  # cells: three before the point, six from it on
_ZEROS = 7
_STATE = 14
_LEAST_NAME = 16
_LEAST_TREND, _MOST_TREND = 5, 24
_LEAST_RANGE = 10.0


def gradients_content(
    frame: Frame, rows: Sequence[Row], room: int, height: int, glyphs: Glyphs, *, fold: bool, needle: str, first: int
) -> Content:
    """The table from row `first` on. rows: as `health.rows_of` gives them."""
    snapshot = frame.view.snapshot if frame.view else None
    if snapshot is None or not snapshot.parameters:
        words = "no gradients seen" if snapshot and snapshot.over else "first sampled step not seen yet"
        return Content(waiting(words, room, height))
    if not rows:
        return Content(waiting(f"no parameter has “{needle}” in its name: / changes the filter", room, height))
    first = max(0, min(first, len(rows) - (height - 1)))
    name, trend = _widths(room, rows)
    lines = [_header(name, trend, fold)]
    lines += [_line(row, name, trend, glyphs) for row in rows[first : first + height - 1]]
    return Content(lines, _note(snapshot.parameters_step, rows, fold, needle, first, height - 1), first, len(rows))


def _widths(room: int, rows: Sequence[Row]) -> tuple[int, int]:
    """Cells for the name and for the trend: names get what they need, the trend the rest up to 24."""
    fixed = 3 * _NUMBER + _ZEROS + _STATE + 5  # and the gaps
    left = room - fixed
    needed = max([_LEAST_NAME, *(len(row.name) for row in rows)])
    name = max(_LEAST_NAME, min(needed, left - _LEAST_TREND))
    trend = min(_MOST_TREND, left - name)
    return (max(8, left + 1), 0) if trend < _LEAST_TREND else (name, trend)


def _header(name: int, trend: int, fold: bool) -> Line:
    titles = pad("module (tensors)" if fold else "parameter", name) + " " + "   norm".ljust(_NUMBER + 1)
    titles += "trend".ljust(trend + 1) if trend else ""
    titles += "  weight".ljust(_NUMBER) + "  update".ljust(_NUMBER) + "zeros".rjust(_ZEROS) + "  state"
    return line((titles, "dim"))


def _line(row: Row, name: int, trend: int, glyphs: Glyphs) -> Line:
    members = f" ({row.members})" if row.members > 1 else ""
    label = pad(cut_left(row.name, name - len(members)) + members, name)
    muted = "dim" if row.state == "frozen" else "text"
    spans = [Span(label + " ", muted), Span(aligned(row.norm)[:_NUMBER] + " ", muted)]
    if trend:
        faint = "axis" if row.state == "healthy" else row.role  # calm where all is well
        low, high = _trend_scale(row.trend)
        spans.append(Span(sparkline(row.trend, trend, glyphs.bars, low=low, high=high, log=True) + " ", faint))
    numbers = aligned(row.weight)[:_NUMBER] + aligned(row.update)[:_NUMBER]
    zeros = percent(row.zeros).rjust(_ZEROS)
    spans += [Span(numbers + zeros + "  ", muted), Span(pad(row.words, _STATE), row.role)]
    return tuple(spans)


def _trend_scale(trend: Sequence[float | None]) -> tuple[float | None, float | None]:
    """The ends of a trend's logarithmic scale: at least a factor of ten apart, so that noise looks like noise."""
    known = [norm for norm in trend if norm is not None and 0 < norm < math.inf]
    if not known:
        return None, None
    low, high = min(known), max(known)
    widen = math.sqrt(max(1.0, _LEAST_RANGE * low / high))
    return low / widen, high * widen


def _note(step: int | None, rows: Sequence[Row], fold: bool, needle: str, first: int, visible: int) -> str:
    parts = [f"step {count(step)}"] if step is not None else []
    if needle:
        parts.append(f"filter “{needle}”")
    amount = plural(len(rows), "module" if fold else "parameter")
    if len(rows) > visible:
        parts.append(f"{first + 1}–{min(len(rows), first + visible)} of {amount}")
    else:
        parts.append(amount)
    return ", ".join([*parts, "worst first"])


class Gradients(Panel):
    """The widget: keeps the sorted rows while neither the sample nor the filter has changed."""

    title_text = "gradient health"
    number = 2

    def __init__(self) -> None:
        super().__init__()
        self.fold = False
        self.needle = ""
        self.first = 0
        self._of: tuple[Sequence[ParameterView] | None, bool, str] = (None, False, "")
        self._rows: list[Row] = []
        self._drawn: tuple[tuple[object, ...], Content] | None = None

    def rows(self) -> list[Row]:
        view = self.frame_now.view
        parameters = view.snapshot.parameters if view else ()
        if self._of[0] is not parameters or self._of[1:] != (self.fold, self.needle):
            self._of = (parameters, self.fold, self.needle)
            self._rows = rows_of(parameters, fold=self.fold, needle=self.needle)
        return self._rows

    def content(self, room: int, height: int) -> Content:
        rows = self.rows()
        view = self.frame_now.view
        asked = (rows, room, height, self.first, self.glyphs, view.snapshot.over if view else None)
        if rows and self._drawn is not None and self._drawn[0][0] is rows and self._drawn[0][1:] == asked[1:]:
            return self._drawn[1]
        content = gradients_content(
            self.frame_now, rows, room, height, self.glyphs, fold=self.fold, needle=self.needle, first=self.first
        )
        self.first = content.first
        self._drawn = (asked, content)
        return content

    def toggle_fold(self) -> None:
        self.fold, self.first = not self.fold, 0
        self.redraw()

    def search(self, needle: str) -> None:
        self.needle, self.first = needle, 0
        self.redraw()

    def scroll_rows(self, rows: int) -> None:
        self.first = max(0, self.first + rows)
        self.redraw()

    def scroll_edge(self, direction: int) -> None:
        self.first = 0 if direction < 0 else len(self.rows())
        self.redraw()

    def back(self) -> bool:
        if not self.needle and not self.first:
            return False
        self.search("")
        return True
