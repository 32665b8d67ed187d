"""Findings: the strip under the top line, and the panel with all of them; of a dead run, what broke and where."""

from __future__ import annotations

from collections.abc import Sequence

from dlmon.app.content import Content, waiting
from dlmon.app.crash_text import crash_lines
from dlmon.app.finding_text import block_lines, quiet_line, strip_lines
from dlmon.app.glyphs import Glyphs
from dlmon.app.lines import Line, Span, line, wrap
from dlmon.app.panels.base import LineWidget, Panel
from dlmon.app.source import Frame
from dlmon.checks.finding import Finding
from dlmon.state.snapshot import FAILED
from dlmon.text import plural


def findings_content(frame: Frame, room: int, height: int, glyphs: Glyphs, *, selected: int, first: int) -> Content:
    """All findings in full; `selected` is marked and kept in sight."""
    if frame.view is None:
        return Content(waiting("no findings yet", room, height))
    snapshot, judgement = frame.view.snapshot, frame.view.judgement
    lines: list[Line] = []
    starts: list[int] = []
    crash = crash_lines(snapshot, room, glyphs) if snapshot.state == FAILED else []
    for index, finding in enumerate(judgement.findings):
        starts.append(len(lines))
        lines += [*block_lines(finding, room, glyphs, selected=index == selected and len(judgement.findings) > 1), ()]
        if crash and finding.id.startswith("crash."):
            lines += [*_indented(crash, glyphs), ()]
            crash = []
    if crash:
        lines = [*crash, (), *lines]
    if not judgement.findings:
        lines += [quiet_line(judgement, snapshot, glyphs), (), *_abstained(frame, room)]
    if selected and selected < len(starts):
        first = max(min(first, starts[selected]), starts[selected] - max(0, height - 6))
    while lines and not lines[-1]:
        lines.pop()
    first = max(0, min(first, len(lines) - height))
    return Content(lines[first : first + height], _note(frame, first, height, len(lines)), first, len(lines))


def _indented(lines: Sequence[Line], glyphs: Glyphs) -> list[Line]:
    return [(Span(" " + glyphs.indent), *spans) for spans in lines]


def _abstained(frame: Frame, room: int) -> list[Line]:
    """What the checks are waiting for: silence is not the same as having looked."""
    if frame.view is None or not frame.view.judgement.abstained:
        return []
    names = max(len(abstained.id) for abstained in frame.view.judgement.abstained)
    words = "checks that lacked the facts" if frame.view.snapshot.over else "checks that wait for facts"
    lines: list[Line] = [line((words, "dim"))]
    for abstained in frame.view.judgement.abstained:
        rows = wrap(abstained.reason, max(20, room - names - 4))
        lines.append(line((f"  {abstained.id:<{names}}  ", "dim"), (rows[0], "dim")))
        lines += [line(" " * (names + 4), (row, "dim")) for row in rows[1:]]
    return lines


def _note(frame: Frame, first: int, height: int, total: int) -> str:
    findings = frame.view.judgement.findings if frame.view else ()
    parts = [plural(len(findings), "finding")] if findings else []
    if total > height:
        parts.append(f"rows {first + 1}–{min(total, first + height)} of {total}")
    return ", ".join(parts) + (", enter explains" if findings else "")


class FindingsStrip(LineWidget):
    """The rows under the top line."""

    def __init__(self) -> None:
        super().__init__(id="findings_strip")

    def lines_for(self, room: int, most: int) -> Sequence[Line]:
        """On at most `most` rows: as many as it wants of them."""
        view = self.frame_now.view
        if view is None:
            return strip_lines(None, None, room, most, self.glyphs)
        return strip_lines(view.judgement, view.snapshot, room, most, self.glyphs)

    def compose_lines(self, room: int, height: int) -> Sequence[Line]:
        return self.lines_for(room, height)


class Findings(Panel):
    """The panel. selected: index of the finding that Enter explains."""

    title_text = "findings"
    number = 7

    def __init__(self) -> None:
        super().__init__()
        self.selected = 0
        self.first = 0

    def content(self, room: int, height: int) -> Content:
        content = findings_content(self.frame_now, room, height, self.glyphs, selected=self.selected, first=self.first)
        self.first = content.first
        return content

    def wanted_rows(self, room: int) -> int:
        """Inside the frame, to show everything."""
        return findings_content(self.frame_now, room, 10_000, self.glyphs, selected=0, first=0).total

    def findings(self) -> Sequence[Finding]:
        return self.frame_now.view.judgement.findings if self.frame_now.view else ()

    def chosen(self) -> Finding | None:
        found = self.findings()
        return found[min(self.selected, len(found) - 1)] if found else None

    def scroll_rows(self, rows: int) -> None:
        """One row selects the next finding; more than one, or with nothing to select, scrolls."""
        if abs(rows) == 1 and len(self.findings()) > 1:
            self.selected = max(0, min(len(self.findings()) - 1, self.selected + rows))
            if not self.selected:
                self.first = 0
        else:
            self.first = max(0, self.first + rows)
        self.redraw()

    def scroll_edge(self, direction: int) -> None:
        self.selected = 0 if direction < 0 else max(0, len(self.findings()) - 1)
        self.first = 0 if direction < 0 else 1_000_000
        self.redraw()
