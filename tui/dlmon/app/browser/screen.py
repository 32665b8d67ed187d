"""The browser's screen and its keys."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType

from dlmon.app.board import Board
from dlmon.app.browser.listing import Listing, largest_first
from dlmon.app.browser.prune_dialog import PruneDialog
from dlmon.app.browser.reader import Part
from dlmon.app.browser.table import Detail, Head, RunTable
from dlmon.app.keymap import BROWSE, footer_keys, keys_for
from dlmon.app.layout import LEAST, Box, Plan
from dlmon.app.panels.bars import TooSmall
from dlmon.app.prompt import Prompt
from dlmon.app.rehearsal.styled import Appearance, Styled
from dlmon.catalogue.prune import Candidate, plan, remove
from dlmon.catalogue.words import filter_of
from dlmon.errors import UserError, reason
from dlmon.record.marks import Marks, read_marks, write_marks

OPEN, COMPARE, REPORT = "open", "compare", "report"


@dataclass(frozen=True)
class Choice:
    """What to do now, with which runs; and the list as it stood, to come back to."""

    action: str
    folders: Sequence[Path]
    listing: Listing


class BrowserScreen(Styled, inherit_bindings=False):
    """The list. Rows come in by `tell`; what leads out of the list ends the app with a choice."""

    mode = BROWSE
    # Keys may come in one burst over a slow line. With priority, the key that opens a prompt is done before the letters
    # after it are looked at; without, the key after the enter that closes one is not lost.
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding(key.keys, key.action, key.description, show=False, priority=priority)
        for priority in (True, False)
        for key in keys_for(BROWSE)
    ]

    def __init__(self, appearance: Appearance, folder: str, listing: Listing) -> None:
        super().__init__(appearance)
        self.listing = listing
        self.head, self.table, self.detail = Head(folder), RunTable(), Detail()
        self.lines = [self.head, self.table, self.detail, self.footer, TooSmall(LEAST)]
        self.footer.keys = list(footer_keys(BROWSE))
        self.board = Board(*self.lines)
        self.restyle()

    def compose(self) -> ComposeResult:
        yield self.board

    def on_mount(self) -> None:
        self._settle()
        self._draw()

    def on_resize(self) -> None:
        self._settle()

    def _settle(self) -> None:
        width, height = self.app.size
        if width < LEAST[0] or height < LEAST[1]:
            self.board.follow(Plan({"too_small": Box(0, 0, width, height)}))
            return
        boxes = {
            "head": Box(0, 0, width, 1), "runs": Box(0, 1, width, height - 5), "detail": Box(0, height - 4, width, 3),
            "footer": Box(0, height - 1, width, 1),
        }  # fmt: skip
        self.board.follow(Plan(boxes))

    def tell(self, part: Part) -> None:
        self._show(self.listing.with_rows(part.rows, part.gone, part.expected))

    def _show(self, listing: Listing) -> None:
        self.listing = listing
        self._draw()

    def _draw(self) -> None:
        self.head.listing = self.listing
        self.detail.row = self.listing.row
        self.table.listing = self.listing
        for widget in (self.head, self.table, self.detail):
            widget.redraw()

    # ---- the list

    def action_choose(self, rows: int) -> None:
        self._show(self.listing.moved(rows))

    def action_choose_page(self, direction: int) -> None:
        self.action_choose(direction * max(1, self.table.size.height - 2))

    def action_edge(self, direction: int) -> None:
        self.action_choose(direction * len(self.listing.visible))

    def action_mark(self) -> None:
        self._show(self.listing.toggled())

    def action_sort(self, direction: int) -> None:
        self._show(self.listing.next_column(direction))
        self._say_order()

    def action_turn(self) -> None:
        self._show(self.listing.sorted_by(self.listing.column, reverse=not self.listing.reverse))
        self._say_order()

    def _say_order(self) -> None:
        usual = self.listing.reverse == largest_first(self.listing.column)
        self.say(f"sorted by {self.listing.column}{'' if usual else ', turned around'}")

    def action_filter(self) -> None:
        hint = "state, name, tag:x, note:x, loss<0.1, older:7d, -word"
        self._ask(Prompt("filter:", self.listing.filter.text, self._filter, each_key=True, hint=hint))

    def _filter(self, text: str) -> None:
        self._show(self.listing.filtered(filter_of(text)))
        if self.listing.filter.trouble and self.prompt is None:
            self.say(self.listing.filter.trouble)

    def action_back(self) -> None:
        if self.listing.marked:
            self._show(self.listing.unmarked())
        elif self.listing.filter.text:
            self._filter("")

    # ---- what leads out of the list

    def _leave_with(self, action: str, folders: Sequence[Path]) -> None:
        self.app.exit(Choice(action, tuple(folders), self.listing))

    def _meant(self) -> list[Path]:
        return [Path(row.folder) for row in self.listing.meant()]

    def action_open(self) -> None:
        if self.listing.row is not None:
            self._leave_with(OPEN, [Path(self.listing.row.folder)])

    def action_compare(self) -> None:
        folders = self._meant()
        row = self.listing.row
        if len(folders) == 1 and self.listing.marked and row is not None and Path(row.folder) not in folders:
            folders.append(Path(row.folder))  # one marked, the other chosen
        if len(folders) < 2:
            self.say("mark two runs or more with space, then press c")
        else:
            self._leave_with(COMPARE, folders)

    def action_report(self) -> None:
        folders = self._meant()
        if folders:
            self._leave_with(REPORT, folders)

    def action_leave(self) -> None:
        self.app.exit(None)

    # ---- marks of a person

    def action_tag(self) -> None:
        row = self.listing.row
        if row is not None:
            folder = Path(row.folder)
            text = " ".join(read_marks(folder).tags)
            self._ask(Prompt("tags:", text, lambda typed: self._tag(folder, typed), hint="words; enter keeps them"))

    def _tag(self, folder: Path, typed: str) -> None:
        try:
            self._write(folder, Marks(note=read_marks(folder).note).with_tags(typed.split()))
        except UserError as error:
            self.say(str(error))

    def action_note(self) -> None:
        row = self.listing.row
        if row is not None:
            folder = Path(row.folder)
            text = read_marks(folder).note
            self._ask(Prompt("note:", text, lambda typed: self._note(folder, typed), hint="enter keeps it"))

    def _note(self, folder: Path, typed: str) -> None:
        self._write(folder, read_marks(folder).with_note(typed))

    def _write(self, folder: Path, marks: Marks) -> None:
        if marks == read_marks(folder):
            return
        try:
            write_marks(folder, marks)
        except OSError as error:
            self.say(f"cannot write the marks: {reason(error)}")
            return
        self._changed(folder)

    def _changed(self, *folders: Path) -> None:
        """Runs that a key has changed are read again at once."""
        from dlmon.app.browser.app import LookAgain

        self.app.post_message(LookAgain(tuple(folder.name for folder in folders)))

    # ---- removing

    def action_prune(self) -> None:
        meant = self.listing.meant()
        if not meant:
            return
        dialog = PruneDialog(plan(meant), self.appearance.styles(), self.appearance.glyphs)
        self.app.push_screen(dialog, lambda yes: self._prune(dialog.going) if yes else None)

    def _prune(self, going: Sequence[Candidate]) -> None:
        self.say(f"removing {len(going)}…")
        self.run_worker(lambda: self._remove(going), thread=True, exit_on_error=False, group="prune")

    def _remove(self, going: Sequence[Candidate]) -> None:
        """On a thread: a run on a slow disk takes its time."""
        folders = [Path(one.row.folder) for one in going]
        failed = [why for folder in folders if (why := remove(folder))]
        told = f"{len(folders) - len(failed)} removed" + (f"; {failed[0]}" if failed else "")
        self.app.call_from_thread(self.say, told)
        self.app.call_from_thread(self._changed, *folders)
