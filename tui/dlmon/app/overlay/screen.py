"""The screen of several runs' curves, and its keys."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType

from dlmon.app.board import Board
from dlmon.app.keymap import OVERLAY, footer_keys
from dlmon.app.layout import LEAST, Box, Plan
from dlmon.app.lines import Line, Span, joined, line, spread
from dlmon.app.overlay.picture import Look, legend_lines, names_of, picture_lines, shown_of
from dlmon.app.panels.bars import TooSmall
from dlmon.app.panels.base import LineWidget
from dlmon.app.rehearsal.styled import Appearance, Styled
from dlmon.app.screens.monitor import bindings
from dlmon.compare.side import Side
from dlmon.text import count, plural


class Curves(LineWidget):
    """Heading, chart and legend."""

    def __init__(self) -> None:
        super().__init__(id="curves")
        self.sides: Sequence[Side] = ()
        self.complete = False
        self.look = Look()

    def names(self) -> list[str]:
        return names_of(self.sides)

    def series_name(self) -> str:
        names = self.names()
        return names[self.look.chart % len(names)] if names else ""

    def last(self) -> int:
        """The last step or, over time, millisecond that there is of any run."""
        if self.look.time:
            return max((round(side.times[-1][1] * 1000) for side in self.sides if side.times), default=0)
        return max((one.series.last_step for one in shown_of(self.sides, self.series_name()) if one.series), default=0)

    def compose_lines(self, room: int, height: int) -> Sequence[Line]:
        if not self.sides:
            return [line((" reading the runs…", "dim"))]
        name = self.series_name()
        if not name:
            return [self._head(room, "no values"), line((" no run has a loss, an evaluation or logged values", "dim"))]
        shown = shown_of(self.sides, name)
        legend = legend_lines(shown, name, room, max(2, height // 3), self.glyphs)
        drawn = picture_lines(shown, self.look, room, height - 1 - len(legend), self.glyphs)
        return [self._head(room, name), *legend, *drawn]

    def _head(self, room: int, name: str) -> Line:
        look, names = self.look, self.names()
        place = f"series {look.chart % len(names) + 1} of {len(names)}" if names else ""
        first, last = look.view.window(self.last())
        notes = [
            "" if self.complete else "reading…", "log scale" if look.view.log else "",
            "over time" if look.time else "over steps", "averages" if look.smooth else "values", place,
            f"steps {count(first)}–{count(last)}" if look.view.span is not None and not look.time else "",
        ]  # fmt: skip
        left = (Span(" "), *joined([(name, "name"), (plural(len(self.sides), "run"), "text")]))
        return spread(left, (*joined([(note, "dim") for note in notes], ", "), Span(" ")), room)


class OverlayScreen(Styled, inherit_bindings=False):
    """Sides come in by `tell`."""

    mode = OVERLAY
    BINDINGS: ClassVar[list[BindingType]] = bindings(OVERLAY)

    def __init__(self, appearance: Appearance) -> None:
        super().__init__(appearance)
        self.curves = Curves()
        self.lines = [self.curves, self.footer, TooSmall(LEAST)]
        self.footer.keys = list(footer_keys(OVERLAY))
        self.board = Board(*self.lines)
        self.restyle()

    def compose(self) -> ComposeResult:
        yield self.board

    def on_mount(self) -> None:
        self._settle()

    def on_resize(self) -> None:
        self._settle()

    def _settle(self) -> None:
        width, height = self.app.size
        boxes = {"curves": Box(0, 0, width, height - 1), "footer": Box(0, height - 1, width, 1)}
        small = width < LEAST[0] or height < LEAST[1]
        self.board.follow(Plan({"too_small": Box(0, 0, width, height)} if small else boxes))

    def tell(self, sides: Sequence[Side], *, complete: bool) -> None:
        self.curves.sides, self.curves.complete = sides, complete
        self.curves.redraw()

    def _look(self, look: Look) -> None:
        self.curves.look = look
        self.curves.redraw()

    # ---- keys

    def action_next_chart(self, direction: int) -> None:
        look, amount = self.curves.look, max(1, len(self.curves.names()))
        view = replace(look.view, span=None, end=None)
        self._look(replace(look, chart=(look.chart + direction) % amount, view=view))

    def action_log_scale(self) -> None:
        view = self.curves.look.view
        self._look(replace(self.curves.look, view=replace(view, log=not view.log)))

    def action_time_axis(self) -> None:
        look = self.curves.look
        if not look.time and not any(side.times for side in self.curves.sides):
            self.say("no times are known of these runs")
            return
        self._look(replace(look, time=not look.time, view=replace(look.view, span=None, end=None)))

    def action_smooth(self) -> None:
        self._look(replace(self.curves.look, smooth=not self.curves.look.smooth))

    def action_zoom_chart(self, direction: int) -> None:
        look = self.curves.look
        self._look(replace(look, view=look.view.zoomed(direction, self.curves.last())))

    def action_leave(self) -> None:
        self.app.exit(None)
