"""What a panel shows, and the box around it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dlmon.app.glyphs import Glyphs
from dlmon.app.lines import EMPTY, Line, Span, cut, fit, line, width, wrap


@dataclass(frozen=True)
class Content:
    """The inside of a panel. note: at the right of its title. first: which of `total` rows is the topmost, where a
    panel scrolls."""

    lines: Sequence[Line]
    note: str = ""
    first: int = 0
    total: int = 0


def waiting(text: str, room: int, height: int) -> list[Line]:
    """A panel that has nothing yet says what it is waiting for."""
    lines: list[Line] = [EMPTY] * (1 if height > 4 else 0)
    return [*lines, *(line((f" {row}", "dim")) for row in wrap(text, room - 2))]


def boxed(
    content: Content, title: str, number: int, room: int, height: int, glyphs: Glyphs, *, focused: bool
) -> list[Line]:
    """The content in a frame, `height` lines of `room` cells."""
    top_left, top_right, bottom_left, bottom_right, edge, side = glyphs.frame
    inside = max(0, room - 4)
    head = _head(title, number, content.note, inside, glyphs, focused)
    lines = [(Span(top_left + edge, "frame"), *head, Span(edge + top_right, "frame"))]
    for row in range(height - 2):
        body = content.lines[row] if row < len(content.lines) else EMPTY
        lines.append((Span(side + " ", "frame"), *fit(body, inside), Span(" " + side, "frame")))
    lines.append((Span(bottom_left + edge * (room - 2) + bottom_right, "frame"),))
    return lines


def ruled(
    content: Content, title: str, number: int, room: int, height: int, glyphs: Glyphs, *, focused: bool
) -> list[Line]:
    """The content below a rule, for narrow screens: no columns are spent on sides."""
    head = _head(title, number, content.note, room - 2, glyphs, focused)
    lines: list[Line] = [(Span(glyphs.frame[4], "frame"), *head, Span(glyphs.frame[4], "frame"))]
    for row in range(height - 1):
        body = content.lines[row] if row < len(content.lines) else EMPTY
        lines.append((Span(" "), *fit(body, room - 2), Span(" ")))
    return lines


def _head(title: str, number: int, note: str, room: int, glyphs: Glyphs, focused: bool) -> Line:
    label = line(
        (f" {glyphs.focus} " if focused else " ", "focus"),
        (f"{number} ", "dim"),
        (f"{title} ", "focus" if focused else "title"),
    )
    left = room - width(label)
    note = f" {cut(note, left - 4)} " if note and left > 8 else ""
    rest = left - width(line(note))
    return (*label, Span(glyphs.frame[4] * max(0, rest), "frame"), *line((note, "dim")))
