"""The page on a finding, as `dlmon explain` prints it, in a box that scrolls."""

from __future__ import annotations

from collections.abc import Sequence

from rich.style import Style

from dlmon.app.glyphs import Glyphs
from dlmon.app.lines import Line, cut, line
from dlmon.app.screens.dialog import Dialog
from dlmon.explain import plain
from dlmon.explain.pages import Page
from dlmon.text import clean

_ROLES = {plain.TITLE: "strong", plain.HEADING: "strong", plain.TEXT: "text", plain.CODE: "key"}


class PageDialog(Dialog[None]):
    """What a finding means, why it hurts, how to confirm and how to fix it."""

    title_text = "explained"
    note = "pgdn/pgup, esc back"

    def __init__(self, page: Page, styles: dict[str, Style], glyphs: Glyphs) -> None:
        self._page = page
        super().__init__(styles, glyphs)

    def body(self, room: int) -> Sequence[Line]:
        rows = plain.rows(self._page.text, room)
        return [line((cut(clean(row.text), room), _ROLES.get(row.kind, "text"))) for row in rows]
