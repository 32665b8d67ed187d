"""The question before runs are removed: which, how much, and which of them stay."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from rich.style import Style
from textual.binding import Binding, BindingType

from dlmon.app.glyphs import Glyphs
from dlmon.app.lines import Line, cut, line, spread
from dlmon.app.screens.dialog import Dialog
from dlmon.catalogue.prune import Candidate
from dlmon.text import plural, size


class PruneDialog(Dialog[bool]):
    """Answers whether to remove them."""

    title_text = "remove runs"
    note = "esc keeps them"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("y", "answer(True)", show=False),
        Binding("escape,q,n,enter,ctrl+c", "answer(False)", show=False),
    ]

    def __init__(self, candidates: Sequence[Candidate], styles: dict[str, Style], glyphs: Glyphs) -> None:
        self.going = [one for one in candidates if not one.spared]
        self._spared = [one for one in candidates if one.spared]
        super().__init__(styles, glyphs)

    def body(self, room: int) -> Sequence[Line]:
        total = sum(one.size for one in self.going)
        if self.going:
            ask = f"{plural(len(self.going), 'run')}, {size(total)}, would be removed for good."
            lines = [
                line((ask, "strong")),
                line(("y", "key"), "    remove them"),
                line(("esc", "key"), "  keep them"),
                (),
            ]
        else:
            lines = [line(("nothing here can be removed", "strong")), ()]
        lines += [spread(line(cut(one.row.name, room - 12)), line((size(one.size), "dim")), room) for one in self.going]
        lines += [line((cut(f"{one.row.name} stays: {one.spared}", room), "warning")) for one in self._spared]
        return lines

    def action_answer(self, yes: bool) -> None:
        self.dismiss(yes and bool(self.going))

    def action_close(self) -> None:
        self.dismiss(False)
