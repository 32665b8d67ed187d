"""The box that shows what a training was doing when it paused, one key away from the raw console."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from rich.style import Style
from textual.binding import Binding, BindingType

from dlmon.app.break_text import break_lines
from dlmon.app.glyphs import Glyphs
from dlmon.app.lines import Line
from dlmon.app.screens.dialog import Dialog
from dlmon.app.source import Frame

CONSOLE, GO_ON, STEP = "console", "go_on", "step"


class PauseDialog(Dialog[str], inherit_bindings=False):
    """Answers with what is to be done next; None for nothing. live: the training can still be told."""

    title_text = "the step before the pause"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q,b,enter", "close", show=False),
        Binding("i", f"answer('{CONSOLE}')", show=False),
        Binding("space", f"answer('{GO_ON}')", show=False),
        Binding("full_stop", f"answer('{STEP}')", show=False),
        Binding("up,k", "scroll(-1)", show=False),
        Binding("down,j", "scroll(1)", show=False),
        Binding("pageup", "scroll(-10)", show=False),
        Binding("pagedown", "scroll(10)", show=False),
    ]

    def __init__(self, frame: Frame, live: bool, styles: dict[str, Style], glyphs: Glyphs) -> None:
        self._frame, self._live, self._of = frame, live, glyphs
        self.note = "i console, . one step, space goes on, esc closes" if live else "esc closes"
        super().__init__(styles, glyphs)

    def wanted_width(self, room: int) -> int:
        return min(room - 2, 120)

    def body(self, room: int) -> Sequence[Line]:
        return break_lines(self._frame, room, self._of)

    def action_answer(self, answer: str) -> None:
        self.dismiss(answer if self._live else None)
