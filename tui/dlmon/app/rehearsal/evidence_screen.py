"""All evidence of one stage, over the whole screen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.message import Message

from dlmon.app.content import Content, boxed, ruled
from dlmon.app.feed import Feed
from dlmon.app.keymap import EVIDENCE, footer_keys
from dlmon.app.layout import WIDE
from dlmon.app.lines import Line, Span, fit, line, spread, width
from dlmon.app.panels.base import LineWidget
from dlmon.app.rehearsal.pages import FROM_END, PAGES, Sight
from dlmon.app.rehearsal.styled import Appearance, Styled
from dlmon.app.screens.monitor import bindings
from dlmon.app.source import Frame, LiveSource
from dlmon.rehearsal.report import StageReport
from dlmon.text import count

_TITLES = {"gradients": "grads"}  # so that all tabs fit in 80 columns
_KEYS_OF = {"explain": {"findings"}, "log_scale": {"curves"}}  # actions that mean something on these pages only


class PageReady(Message):
    """The run has been read further."""


class Sheet(LineWidget):
    """The tabs and the open page. first: the topmost row of the page."""

    DEFAULT_CSS = "Sheet { width: 100%; height: 1fr; }"
    exact = True

    def __init__(self, sight: Sight) -> None:
        super().__init__(id="page")
        self.sight = sight
        self.page = "items"
        self.first = 0
        self.total = 0

    def compose_lines(self, room: int, height: int) -> Sequence[Line]:
        wide = room >= WIDE[0] and height >= WIDE[1] - 2
        inside, rows = (room - 4, height - 3) if wide else (room - 2, height - 2)
        lines = self._page(inside, rows)
        self.total = len(lines)
        self.first = max(0, min(self.first, self.total - rows))
        note = f"rows {count(self.first + 1)}–{count(min(self.total, self.first + rows))} of {count(self.total)}"
        content = Content(lines[self.first : self.first + rows], note if self.total > rows else "")
        number = list(PAGES).index(self.page) + 1
        title = f"{self.sight.report.name}: {self.page}"
        box = boxed if wide else ruled
        return [self._tabs(room), *box(content, title, number, room, height - 1, self.glyphs, focused=True)]

    def _page(self, room: int, height: int) -> list[Line]:
        try:
            return PAGES[self.page](self.sight, room, height, self.glyphs)
        except Exception as error:  # one page that meets what nobody thought of must not take the screen with it
            return [line((f"dlmon could not draw this: {error!r}; please report it", "warning"))]

    def _tabs(self, room: int) -> Line:
        spans = [Span(" ")]
        for index, name in enumerate(PAGES, 1):
            on, title = name == self.page, _TITLES.get(name, name)
            spans.append(Span(f"[{index} {title}]" if on else f" {index} {title} ", "tab_on" if on else "tab"))
        verdict = line((f"{self.sight.report.verdict} ", "dim"))
        return spread(spans, verdict, room) if width(spans) + width(verdict) < room else fit(spans, room)

    def open(self, page: str) -> None:
        self.page = page
        self.first = 1_000_000 if page in FROM_END else 0
        self.redraw()

    def look(self, sight: Sight) -> None:
        self.sight = sight
        self.redraw()


class EvidenceScreen(Styled, inherit_bindings=False):
    """folder: the stage's run, None where nothing ran; it is read in the background."""

    mode = EVIDENCE
    BINDINGS: ClassVar[list[BindingType]] = bindings(EVIDENCE)
    DEFAULT_CSS = "EvidenceScreen { layout: vertical; } EvidenceScreen > #footer { width: 100%; height: 1; }"

    def __init__(self, report: StageReport, folder: Path | None, appearance: Appearance) -> None:
        super().__init__(appearance)
        self.sheet = Sheet(Sight(report))
        self.lines = [self.sheet, self.footer]
        self._offer()
        self._feed: Feed | None = None
        if folder is not None:
            self._feed = Feed(lambda: LiveSource(folder), lambda: self.post_message(PageReady()), self._failed)
        self.restyle()

    def compose(self) -> ComposeResult:
        yield from self.lines

    def on_mount(self) -> None:
        if self._feed is not None:
            self._feed.start()

    def on_unmount(self) -> None:
        if self._feed is not None:
            self._feed.stop()

    def on_page_ready(self) -> None:
        frame = self._feed.take() if self._feed is not None else None
        if frame is not None:
            self.show(frame)

    def show(self, frame: Frame) -> None:
        """The run as far as it was read; the end of the output stays in sight."""
        at_end = self.sheet.page in FROM_END and self.sheet.first >= self.sheet.total - self.sheet.size.height + 2
        if self.sheet.sight.frame is None or at_end:
            self.sheet.first = 1_000_000 if self.sheet.page in FROM_END else self.sheet.first
        self.sheet.look(replace(self.sheet.sight, frame=frame))

    def _failed(self, error: BaseException) -> None:
        self.app.call_from_thread(self.say, f"dlmon cannot read this stage's run: {error!r}")

    # ---- keys

    def action_page(self, name: str) -> None:
        self.sheet.open(name)
        self._offer()
        self.footer.redraw()

    def _offer(self) -> None:
        silent = {action for action, pages in _KEYS_OF.items() if self.sheet.page not in pages}
        self.footer.keys = list(footer_keys(EVIDENCE, without=silent))

    def action_next_page(self, direction: int) -> None:
        names = list(PAGES)
        self.action_page(names[(names.index(self.sheet.page) + direction) % len(names)])

    def action_scroll(self, rows: int) -> None:
        sight = self.sheet.sight
        if self.sheet.page == "findings" and len(sight.report.findings) > 1:
            self._choose(max(0, min(len(sight.report.findings) - 1, sight.selected + rows)))
            return
        self.sheet.first = max(0, self.sheet.first + rows)
        self.sheet.redraw()

    def _choose(self, selected: int) -> None:
        """The finding under the cursor is kept in sight."""
        from dlmon.app.rehearsal.evidence_text import finding_lines

        report = self.sheet.sight.report
        starts = finding_lines(report, self.sheet.size.width - 4, self.sheet.glyphs)[1]
        rows = self.sheet.size.height - 3
        self.sheet.first = max(min(self.sheet.first, starts[selected]), starts[selected] - max(0, rows - 6))
        self.sheet.look(replace(self.sheet.sight, selected=selected))

    def action_scroll_page(self, direction: int) -> None:
        self.sheet.first = max(0, self.sheet.first + direction * max(1, self.sheet.size.height - 4))
        self.sheet.redraw()

    def action_edge(self, direction: int) -> None:
        self.sheet.first = 0 if direction < 0 else 1_000_000
        self.sheet.redraw()

    def action_explain(self) -> None:
        from dlmon.app.screens.dialogs import Explain

        found = self.sheet.sight.report.findings
        if not found:
            self.say("no findings to explain")
            return
        finding = found[min(self.sheet.sight.selected, len(found) - 1)]
        self.app.push_screen(Explain(finding, self.appearance.styles(), self.appearance.glyphs))

    def action_log_scale(self) -> None:
        self.sheet.look(replace(self.sheet.sight, log=not self.sheet.sight.log))

    def action_fold(self) -> None:
        self.sheet.look(replace(self.sheet.sight, fold=not self.sheet.sight.fold))

    def action_close(self) -> None:
        self.app.pop_screen()
