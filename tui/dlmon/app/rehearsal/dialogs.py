"""What the rehearsal asks and shows in a box: leaving while a stage goes on, leaving the full run, a diff."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from rich.style import Style
from textual.binding import Binding, BindingType

from dlmon.app.glyphs import Glyphs
from dlmon.app.lines import Line, line, wrap
from dlmon.app.rehearsal.changes import changed_lines, diff_lines
from dlmon.app.screens.dialog import Dialog
from dlmon.app.screens.dialogs import Leave


class LeaveRehearsal(Leave):
    """The question on `q` while a stage goes on."""

    def body(self, room: int) -> Sequence[Line]:
        lines = [
            line(("l", "key"), "    leave: it goes on, `dlmon attach` comes back to it"),
            line(("s", "key"), "    stop it and leave: what has been found so far is kept"),
            line(("esc", "key"), "  stay"),
        ]
        if self._paused:
            lines += [(), line(("It is paused and stays so until space, or `s`.", "warning"))]
        return [line((text, "strong")) for text in wrap(f"{self._run} is going on.", room)] + [(), *lines]


class LeaveFull(Leave):
    """The question on `q` in the full run's monitor."""

    def body(self, room: int) -> Sequence[Line]:
        lines = [
            line(("l", "key"), "    back to the checklist: the training goes on"),
            line(("s", "key"), "    stop the training: as Ctrl-C would, then harder if it must"),
            line(("esc", "key"), "  stay"),
        ]
        return [line((text, "strong")) for text in wrap(f"{self._run} is running.", room)] + [(), *lines]


class Changes(Dialog[None]):
    """What changed in the sources since a stage last ran."""

    title_text = "changes"
    BINDINGS: ClassVar[list[BindingType]] = [Binding("d", "close", show=False)]

    def __init__(self, stage: str, diff: str, styles: dict[str, Style], glyphs: Glyphs) -> None:
        self._stage, self._diff = stage, diff
        super().__init__(styles, glyphs)

    def wanted_width(self, room: int) -> int:
        return min(room - 4, 126)

    def body(self, room: int) -> Sequence[Line]:
        since = f"Since {self._stage} last ran"
        told = changed_lines(self._diff)
        if not told:
            return [line(f"{since}, nothing changed in the sources.")]
        return [*(line((row, "strong")) for row in wrap(f"{since}: {told}", room)), (), *diff_lines(self._diff, room)]
