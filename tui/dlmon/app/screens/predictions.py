"""What the model answered in the last evaluation pass, in a box that scrolls."""

from __future__ import annotations

from collections.abc import Sequence

from rich.style import Style

from dlmon.app import predictions_text
from dlmon.app.glyphs import Glyphs
from dlmon.app.lines import Line
from dlmon.app.screens.dialog import Dialog
from dlmon.state.snapshot import RunSnapshot


class PredictionsDialog(Dialog[None]):
    """The pass as it was when the box was opened: numbers that change while one reads them cannot be compared."""

    title_text = "predictions"
    note = "pgdn/pgup, esc closes"

    def __init__(self, snapshot: RunSnapshot | None, styles: dict[str, Style], glyphs: Glyphs) -> None:
        self._snapshot = snapshot
        super().__init__(styles, glyphs)

    def body(self, room: int) -> Sequence[Line]:
        return predictions_text.lines(self._snapshot, room)
