"""The checklist: what the first steps have shown to be in order, with the numbers."""

from __future__ import annotations

from collections.abc import Sequence

from dlmon.app.content import Content, waiting
from dlmon.app.glyphs import Glyphs
from dlmon.app.lines import Line, line, wrap
from dlmon.app.panels.base import Panel
from dlmon.app.source import Frame
from dlmon.state.snapshot import ChecklistItem, RunSnapshot

_ROLES = {"pass": "good", "fail": "bad"}


def stages_content(frame: Frame, room: int, height: int, glyphs: Glyphs) -> Content:
    snapshot = frame.view.snapshot if frame.view else None
    if snapshot is None or not snapshot.smoke:
        words = "first step not seen yet: the checklist is ticked as the run meets each item"
        return Content(waiting(words, room, height))
    names = max(len(item.name) for item in snapshot.smoke)
    lines = [row for item in snapshot.smoke for row in _item(item, names, room, glyphs)]
    if len(lines) > height:  # details on one row each, then
        lines = [_item(item, names, room, glyphs)[0] for item in snapshot.smoke]
    return Content([*lines, *_notices(snapshot, room, height - len(lines))], _note(snapshot.smoke))


def _item(item: ChecklistItem, names: int, room: int, glyphs: Glyphs) -> list[Line]:
    role = _ROLES.get(item.verdict, "dim")
    indent = glyphs.indent + " " * (names + 2)
    detail = wrap(item.detail, room - len(indent))
    muted = "text" if item.verdict in _ROLES else "dim"
    first = line((glyphs.verdict(item.verdict), role), (item.name.ljust(names) + "  ", muted), (detail[0], muted))
    return [first, *(line(indent, (rest, muted)) for rest in detail[1:])]


def _notices(snapshot: RunSnapshot, room: int, height: int) -> list[Line]:
    """What dlmon itself could not do, as far as there is room."""
    lines = [line((text, "warning")) for notice in snapshot.notices for text in wrap(f"dlmon: {notice}", room, "  ")]
    return [line(" "), *lines][:height] if lines and height > 1 else []


def _note(items: Sequence[ChecklistItem]) -> str:
    passed = sum(item.verdict == "pass" for item in items)
    failed = sum(item.verdict == "fail" for item in items)
    return f"{passed} of {len(items)} in order" + (f", {failed} failed" if failed else "")


class Stages(Panel):
    """The widget."""

    title_text = "stages"
    number = 4

    def content(self, room: int, height: int) -> Content:
        return stages_content(self.frame_now, room, height, self.glyphs)
