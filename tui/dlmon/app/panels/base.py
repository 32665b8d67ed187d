"""The widget under every panel: lines in, changed cells out."""

from __future__ import annotations

from collections.abc import Sequence

from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.geometry import Region
from textual.strip import Strip
from textual.widget import Widget

from dlmon.app.content import Content, boxed, ruled, waiting
from dlmon.app.glyphs import UNICODE, Glyphs
from dlmon.app.lines import Line, Span, fit, width
from dlmon.app.source import Frame


class LineWidget(Widget):
    """Draws the lines that `compose_lines` gives, and only the cells that differ from those before.

    Textual's own renderer would lay out and style every line again; this keeps strips and hands them over.
    """

    ALLOW_SELECT = False
    can_focus = False
    exact = False  # compose_lines gives lines of just the right width

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.frame_now = Frame()
        self.glyphs: Glyphs = UNICODE
        self.role_styles: dict[str, Style] = {}
        self._lines: list[Line] = []
        self._strips: list[Strip] = []
        self._drawn_size = (0, 0)

    def compose_lines(self, room: int, height: int) -> Sequence[Line]:
        """The whole widget, at most `height` lines of at most `room` cells."""
        raise NotImplementedError

    def show(self, frame: Frame) -> None:
        """Draw another frame, if this widget is to be seen."""
        self.frame_now = frame
        self.redraw()

    def redraw(self) -> None:
        room, height = self.size
        if not self.display or not room or not height:
            self._drawn_size = (0, 0)
            return
        lines = list(self.compose_lines(room, height))[:height]
        if not self.exact:
            lines = [fit(spans, room) for spans in lines]
        lines += [fit((), room)] * (height - len(lines))
        if self._drawn_size != (room, height):
            self._lines, self._drawn_size = lines, (room, height)
            self._strips = [self._strip(spans) for spans in lines]
            self.refresh()
            return
        regions = []
        for row, (old, new) in enumerate(zip(self._lines, lines, strict=True)):
            if old != new:
                self._strips[row] = self._strip(new)
                regions.append(_changed(old, new, row, room))
        self._lines = lines
        if regions:
            self.refresh(*regions)

    def restyle(self, styles: dict[str, Style], glyphs: Glyphs) -> None:
        """Another palette: everything is drawn again."""
        self.role_styles, self.glyphs = styles, glyphs
        self._drawn_size = (0, 0)
        self.redraw()

    def _strip(self, spans: Line) -> Strip:
        styles, plain = self.role_styles, self.glyphs.plain
        default = styles.get("text")
        return Strip([Segment(plain(span.text), styles.get(span.role, default)) for span in spans])

    def render_lines(self, crop: Region) -> list[Strip]:
        room, height = self.size
        if self._drawn_size != (room, height):
            self.redraw()
        blank = Strip.blank(crop.width, self.role_styles.get("text"))
        rows = range(crop.y, crop.y + crop.height)
        strips = [self._strips[row] if row < len(self._strips) else blank for row in rows]
        if crop.x == 0 and crop.width >= room:
            return strips
        return [strip.crop(crop.x, crop.x + crop.width) for strip in strips]

    def on_resize(self) -> None:
        self.redraw()

    def text(self) -> str:
        """What is drawn, as plain text."""
        return "\n".join("".join(segment.text for segment in strip) for strip in self._strips)


def _changed(old: Line, new: Line, row: int, room: int) -> Region:
    """The cells of a row from the first that differs to the last."""
    start = width(_common(old, new))
    end = width(_common(old[::-1], new[::-1]))
    return Region(start, row, max(1, room - start - end), 1)


def _common(one: Sequence[Span], other: Sequence[Span]) -> list[Span]:
    common = []
    for left, right in zip(one, other, strict=False):
        if left != right:
            break
        common.append(left)
    return common


class Panel(LineWidget):
    """A titled part of the screen. Its number is the key that goes to it."""

    exact = True
    title_text = ""
    number = 0

    def __init__(self) -> None:
        super().__init__(id=type(self).__name__.lower())
        self.focused_panel = False
        self.frameless = False

    def content(self, room: int, height: int) -> Content:
        """The inside, at most `height` lines of at most `room` cells."""
        raise NotImplementedError

    def compose_lines(self, room: int, height: int) -> Sequence[Line]:
        box = ruled if self.frameless else boxed
        try:
            inside = self.content(room - 2, height - 1) if self.frameless else self.content(room - 4, height - 2)
        except Exception as error:  # one panel that meets what nobody thought of must not take the screen with it
            inside = Content(waiting(f"dlmon could not draw this: {error!r}; please report it", room - 4, height - 2))
        return box(inside, self.title_text, self.number, room, height, self.glyphs, focused=self.focused_panel)

    def scroll_rows(self, rows: int) -> None:
        """Up (negative) or down."""

    def scroll_page(self, direction: int) -> None:
        self.scroll_rows(direction * max(1, self.size.height - 4))

    def scroll_edge(self, direction: int) -> None:
        """To the start (-1) or the end (1)."""

    def back(self) -> bool:
        """Drop one thing that was narrowed (filter, cursor, scroll); false if there was none."""
        return False

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        event.stop()
        self.scroll_rows(-3)

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        event.stop()
        self.scroll_rows(3)
