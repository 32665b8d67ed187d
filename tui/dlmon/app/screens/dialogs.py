"""Help, the question on leaving, and a finding in full."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

from rich.style import Style
from textual.binding import Binding, BindingType

from dlmon.app.finding_text import full_lines
from dlmon.app.glyphs import Glyphs
from dlmon.app.keymap import grouped
from dlmon.app.lines import Line, fit, line, wrap
from dlmon.app.screens.dialog import Dialog
from dlmon.checks.finding import Finding
from dlmon.errors import UserError

if TYPE_CHECKING:
    from dlmon.explain.pages import Page

STAY, LEAVE, STOP = "stay", "leave", "stop"


class Help(Dialog[None]):
    """All keys, in two columns where there is room."""

    title_text = "keys"
    BINDINGS: ClassVar[list[BindingType]] = [Binding("question_mark,f1", "close", show=False)]

    def __init__(self, mode: str, styles: dict[str, Style], glyphs: Glyphs) -> None:
        self._mode = mode
        super().__init__(styles, glyphs)

    def wanted_width(self, room: int) -> int:
        return min(room - 4, 126)

    def body(self, room: int) -> Sequence[Line]:
        blocks = [_block(group, rows, room if room < 100 else room // 2 - 2) for group, rows in grouped(self._mode)]
        if room < 100:
            return [row for block in blocks for row in block][:-1]
        return _in_two_columns(blocks, room)


def _block(group: str, rows: Sequence[tuple[str, str]], room: int) -> list[Line]:
    lines = [line((group, "strong"))]
    for label, description in rows:
        texts = wrap(description, room - 16)
        lines.append(line("  ", (f"{label:<14}", "key"), texts[0]))
        lines += [line(" " * 16, text) for text in texts[1:]]
    return [*lines, ()]


def _in_two_columns(blocks: Sequence[list[Line]], room: int) -> list[Line]:
    total = sum(len(block) for block in blocks)
    left: list[Line] = []
    right: list[Line] = []
    for block in blocks:
        (left if len(left) + len(block) // 2 < total / 2 and not right else right).extend(block)
    half = room // 2
    height = max(len(left), len(right))
    padded = [*left, *[()] * (height - len(left))], [*right, *[()] * (height - len(right))]
    lines = [(*fit(one, half), *other) for one, other in zip(*padded, strict=True)]
    while lines and not "".join(span.text for span in lines[-1]).strip():
        lines.pop()
    return lines


class Leave(Dialog[str]):
    """The question on `q`: the training goes on, or is stopped, or one stays."""

    title_text = "leave"
    note = "esc stays"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("l,d,enter,q", f"answer('{LEAVE}')", show=False),
        Binding("s", f"answer('{STOP}')", show=False),
        Binding("escape,ctrl+c", f"answer('{STAY}')", show=False),
    ]

    def __init__(self, run: str, paused: bool, styles: dict[str, Style], glyphs: Glyphs) -> None:
        self._run, self._paused = run, paused
        super().__init__(styles, glyphs)

    def wanted_width(self, room: int) -> int:
        return min(room - 4, 76)

    def body(self, room: int) -> Sequence[Line]:
        lines = [
            line(("l", "key"), "    leave: the training goes on, `dlmon attach` comes back to it"),
            line(("s", "key"), "    stop the training: as Ctrl-C would, then harder if it must"),
            line(("esc", "key"), "  stay"),
        ]
        if self._paused:
            lines += [(), line(("The training is paused and stays so until space, or `s`.", "warning"))]
        return [line((text, "strong")) for text in wrap(f"{self._run} is running.", room)] + [(), *lines]

    def action_answer(self, answer: str) -> None:
        self.dismiss(answer)


class Explain(Dialog[None]):
    """A finding with its evidence and what to do; from here on to its page, where it has one."""

    title_text = "finding"
    BINDINGS: ClassVar[list[BindingType]] = [Binding("x,enter", "page", show=False)]

    def __init__(self, finding: Finding, styles: dict[str, Style], glyphs: Glyphs) -> None:
        self._finding, self._of, self._styles = finding, glyphs, styles
        self._page = _page(finding.id)
        if self._page is not None:
            self.note = "x explains more, esc closes"
        super().__init__(styles, glyphs)

    def body(self, room: int) -> Sequence[Line]:
        return full_lines(self._finding, room, self._of)

    def action_page(self) -> None:
        if self._page is None:
            self.dismiss(None)
            return
        from dlmon.app.screens.page import PageDialog

        self.app.push_screen(PageDialog(self._page, self._styles, self._of))


def _page(id: str) -> Page | None:
    """Its page; None where there is none, or where the pages were not installed."""
    from dlmon.explain.pages import page_for

    try:
        return page_for(id)
    except (UserError, OSError):
        return None
