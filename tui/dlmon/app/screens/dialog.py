"""A box in the middle of the screen, over the panels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, TypeVar

from rich.style import Style
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.screen import ModalScreen

from dlmon.app.content import Content, boxed
from dlmon.app.glyphs import Glyphs
from dlmon.app.lines import EMPTY, Line, line
from dlmon.app.panels.base import LineWidget

Answer = TypeVar("Answer")


class _Sheet(LineWidget):
    """The box; scrolls when its text is longer than the screen."""

    def __init__(self, title: str, note: str) -> None:
        super().__init__(id="sheet")
        self.title_text, self.note = title, note
        self.body: Sequence[Line] = ()
        self.first = 0

    def compose_lines(self, room: int, height: int) -> Sequence[Line]:
        inside = height - 4
        self.first = max(0, min(self.first, len(self.body) - inside))
        shown = [EMPTY, *self.body[self.first : self.first + inside], EMPTY]
        more = len(self.body) - self.first - inside
        note = f"{more} more rows below (↓), {self.note}" if more > 0 else self.note
        lines = boxed(Content(shown, note), self.title_text, 0, room, height, self.glyphs, focused=False)
        return [self._head(room, note), *lines[1:]]

    def _head(self, room: int, note: str) -> Line:
        corners = self.glyphs.frame
        rest = room - len(self.title_text) - len(note) - 8
        return line(
            (corners[0] + corners[4], "frame"), (f" {self.title_text} ", "focus"), (corners[4] * max(0, rest), "frame"),
            (f" {note} ", "dim"), (corners[4] + corners[1], "frame"),
        )  # fmt: skip


class Dialog(ModalScreen[Answer], inherit_bindings=False):
    """Shows lines until it is answered. Subclasses give `body` and the keys that answer."""

    title_text = ""
    note = "esc closes"
    AUTO_FOCUS = ""
    DEFAULT_CSS = """
    Dialog { align: center middle; background: transparent; }
    Dialog > #sheet { layer: default; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q,enter", "close", show=False),
        Binding("up,k", "scroll(-1)", show=False),
        Binding("down,j", "scroll(1)", show=False),
        Binding("pageup", "scroll(-10)", show=False),
        Binding("pagedown,space", "scroll(10)", show=False),
    ]

    def __init__(self, styles: dict[str, Style], glyphs: Glyphs) -> None:
        super().__init__()
        self._sheet = _Sheet(self.title_text, self.note)
        self._sheet.role_styles, self._sheet.glyphs = styles, glyphs

    def body(self, room: int) -> Sequence[Line]:
        """The text in lines of at most `room` cells."""
        raise NotImplementedError

    def wanted_width(self, room: int) -> int:
        """How wide the box should be on a screen of `room` cells."""
        return min(room - 4, 96)

    def compose(self) -> ComposeResult:
        self._place()
        yield self._sheet

    def on_resize(self) -> None:
        self._place()

    def _place(self) -> None:
        size = self.app.size
        room = max(20, self.wanted_width(size.width))
        self._sheet.body = self.body(room - 4)
        self._sheet.styles.width = room
        self._sheet.styles.height = max(5, min(size.height - 2, len(self._sheet.body) + 4))
        self._sheet.redraw()

    def action_close(self) -> None:
        self.dismiss(None)

    def action_scroll(self, rows: int) -> None:
        self._sheet.first += rows
        self._sheet.redraw()
