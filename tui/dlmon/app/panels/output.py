"""The training's own output: follows the end until one scrolls up; search; nothing in it is taken as markup."""

from __future__ import annotations

from dlmon.app.content import Content, waiting
from dlmon.app.lines import Line, Span, fit, line
from dlmon.app.panels.base import Panel
from dlmon.app.source import OutputLines
from dlmon.text import clean, plural

_TAB = 8


def output_content(output: OutputLines, room: int, height: int, *, bottom: int | None, needle: str) -> Content:
    """The last rows that fit. bottom: number of the lowest line to show, None to follow the end. Long lines are cut
    at the right edge: `zoom` widens the panel."""
    lines = output.lines
    if not lines and not output.partial:
        return Content(waiting("nothing printed yet", room, height))
    oldest = output.count - len(lines)
    shown = list(lines)
    if bottom is not None:
        bottom = min(output.count - 1, max(bottom, oldest + height - 1))  # no empty rows while there are lines to fill
        shown = shown[: max(0, bottom - oldest + 1)]
    elif output.partial:
        shown.append(output.partial)
    while shown and bottom is None and not shown[-1].strip():
        shown.pop()  # a cursor on an empty line is not worth a row
    drawn = [_line(text, room, needle) for text in shown[-height:]]
    return Content(drawn, _note(output, bottom, needle))


def _note(output: OutputLines, bottom: int | None, needle: str) -> str:
    parts = []
    if needle:
        found = sum(needle.lower() in text.lower() for text in output.lines)
        parts.append(f"“{needle}” in {plural(found, 'line')} (n, N)")
    if bottom is not None:
        below = max(0, output.count - 1 - bottom)
        parts.append(f"{plural(below, 'line')} below (end)" if below else "at the end")
    elif not needle:
        parts.append(plural(output.count + bool(output.partial), "line"))
    return ", ".join(parts)


def _line(text: str, room: int, needle: str) -> Line:
    text = clean(text.expandtabs(_TAB))
    if not needle:
        return fit((Span(text),), room)
    spans: list[Span] = []
    lowered, wanted = text.lower(), needle.lower()
    if len(lowered) != len(text):  # some letters change their length with their case
        return fit((Span(text),), room)
    at = 0
    while (found := lowered.find(wanted, at)) >= 0:
        spans += line(text[at:found], (text[found : found + len(needle)], "match"))
        at = found + len(needle)
    return fit((*spans, Span(text[at:])), room)


class Output(Panel):
    """The widget. bottom: number of the lowest line shown, None while it follows the end."""

    title_text = "output"
    number = 6

    def __init__(self) -> None:
        super().__init__()
        self.bottom: int | None = None
        self.needle = ""

    def content(self, room: int, height: int) -> Content:
        return output_content(self.frame_now.output, room, height, bottom=self.bottom, needle=self.needle)

    def _rows(self) -> int:
        return max(1, self.size.height - 2)

    def scroll_rows(self, rows: int) -> None:
        output = self.frame_now.output
        end = output.count - 1
        lowest = output.count - len(output.lines) + self._rows() - 1
        bottom = (end if self.bottom is None else self.bottom) + rows
        self.bottom = None if bottom >= end else max(bottom, min(lowest, end))
        self.redraw()

    def scroll_edge(self, direction: int) -> None:
        self.bottom = None
        if direction < 0:
            self.scroll_rows(-len(self.frame_now.output.lines))
        self.redraw()

    def search(self, needle: str) -> None:
        """Show the last line that has it."""
        self.needle = needle
        if needle:
            self.find(-1)
        self.redraw()

    def find(self, direction: int) -> None:
        """The next (1) or the previous (-1) line that has what is searched for, in the middle of the panel."""
        output = self.frame_now.output
        oldest = output.count - len(output.lines)
        hits = [oldest + index for index, text in enumerate(output.lines) if self.needle.lower() in text.lower()]
        middle = self._rows() // 2
        at = output.count if self.bottom is None else self.bottom - middle
        ahead = [hit for hit in hits if (hit > at if direction > 0 else hit < at)]
        if ahead:
            self.bottom = min(output.count - 1, (ahead[0] if direction > 0 else ahead[-1]) + middle)
        self.redraw()

    def back(self) -> bool:
        if not self.needle and self.bottom is None:
            return False
        self.needle, self.bottom = "", None
        self.redraw()
        return True
