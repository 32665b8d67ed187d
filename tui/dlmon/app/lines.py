"""Lines of styled text before they meet a terminal: spans with a role ("bad", "dim"), never with a colour.

What panels show is built from these by pure functions; `palette` turns roles into colours and `panels.base` into
strips. Widths are in terminal cells.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from rich.cells import cell_len as _cell_len
from rich.cells import set_cell_size

from dlmon.text import clean


class Span(NamedTuple):
    """A run of text of one role. role: a key of `palette.ROLES`."""

    text: str
    role: str = "text"


Line = tuple[Span, ...]
EMPTY: Line = ()


def cell_len(text: str) -> int:
    """Columns that the text takes in a terminal."""
    return len(text) if text.isascii() else _cell_len(text)


def line(*parts: str | Span | tuple[str, str]) -> Line:
    """A line from strings (role "text") and (text, role) pairs; empty parts are left out."""
    return tuple(_span(part) for part in parts if part and (part if isinstance(part, str) else part[0]))


def _span(part: str | tuple[str, str]) -> Span:
    if isinstance(part, str):
        return Span(clean(part))
    return Span(clean(part[0]), part[1])


def width(spans: Iterable[Span]) -> int:
    return sum(cell_len(span.text) for span in spans)


def text_of(spans: Iterable[Span]) -> str:
    return "".join(span.text for span in spans)


def cut(text: str, room: int, ellipsis: str = "…") -> str:
    """`text` in at most `room` cells, its end replaced by an ellipsis where it was longer."""
    text = clean(text)
    if cell_len(text) <= room:
        return text
    if room <= len(ellipsis):
        return ellipsis[: max(0, room)]
    return set_cell_size(text, room - len(ellipsis)).rstrip() + ellipsis


def cut_left(text: str, room: int, ellipsis: str = "…") -> str:
    """As `cut`, but the end is kept: of a qualified name the last part says most."""
    text = clean(text)
    if cell_len(text) <= room:
        return text
    if room <= len(ellipsis):
        return ellipsis[: max(0, room)]
    while cell_len(text) > room - len(ellipsis):
        text = text[1:]
    return ellipsis + text


def pad(text: str, room: int, *, right: bool = False) -> str:
    """`text` in exactly `room` cells (cut when longer), at the right edge if asked."""
    text = cut(text, room)
    missing = " " * (room - cell_len(text))
    return missing + text if right else text + missing


def fit(spans: Sequence[Span], room: int) -> Line:
    """The line in exactly `room` cells."""
    left = room - width(spans)
    if left >= 0:
        return (*spans, Span(" " * left)) if left else tuple(spans)
    fitted: list[Span] = []
    left = room
    for span in spans:
        wide = cell_len(span.text)
        if wide > left:
            fitted.append(Span(pad(span.text, left), span.role))
            break
        fitted.append(span)
        left -= wide
    return tuple(span for span in fitted if span.text)


def spread(left: Sequence[Span], right: Sequence[Span], room: int) -> Line:
    """One part at the left edge and one at the right; the left one gives way."""
    wide = width(right)
    if not wide or wide + 2 >= room:
        return fit(left, room)
    return (*fit(left, room - wide - 1), Span(" "), *right)


def wrap(text: str, room: int, indent: str = "") -> list[str]:
    """Words of `text` on lines of at most `room` cells; following lines start with `indent`."""
    room = max(room, len(indent) + 2)  # the widest character has two cells
    lines = [""]
    for word in clean(text).split():
        joint = " " if lines[-1].strip() else ""
        if cell_len(lines[-1] + joint + word) <= room:
            lines[-1] += joint + word
            continue
        if joint:
            lines.append(indent)
        for character in word:  # a word that is itself too long is broken
            if cell_len(lines[-1] + character) > room:
                lines.append(indent)
            lines[-1] += character
    return lines


def joined(parts: Iterable[str | tuple[str, str]], gap: str = "   ") -> Line:
    """Parts with a gap between them; empty ones leave no gap."""
    spans: list[Span] = []
    for part in parts:
        text, role = (part, "text") if isinstance(part, str) else part
        if text:
            if spans:
                spans.append(Span(gap))
            spans.append(Span(clean(text), role))
    return tuple(spans)


def first_that_fits(choices: Sequence[Line], room: int) -> Line:
    """The first of several ways to say it, longest first, that fits; else the last one, cut."""
    for choice in choices:
        if width(choice) <= room:
            return choice
    return fit(choices[-1], room) if choices else EMPTY
