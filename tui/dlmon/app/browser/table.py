"""The list of runs as lines: columns of fixed width, so that a row that comes in moves nothing."""

from __future__ import annotations

from collections.abc import Sequence

from dlmon.app.browser.listing import Listing, key_of
from dlmon.app.glyphs import Glyphs
from dlmon.app.lines import Line, Span, cut, fit, joined, line, pad, spread, wrap
from dlmon.app.panels.base import LineWidget
from dlmon.catalogue.rows import REHEARSAL, Row
from dlmon.state import snapshot as words
from dlmon.text import MISSING, count, duration, number, plural, size

# (column of `order.COLUMNS`, heading, cells); the name takes what is left, tags and note come where there is room.
_COLUMNS = (
    ("state", "state", 10),
    ("steps", "steps", 9),
    ("loss", "loss", 8),
    ("seconds", "time", 11),
    ("size", "size", 8),
)
_FIXED = sum(width + 1 for _, _, width in _COLUMNS) + 3
_TAGS, _NAME = 24, 42
_ROLES = {
    words.FINISHED: "good", words.FAILED: "bad", words.STOPPED: "warning", words.LOST: "warning",
    words.STALLED: "warning", words.TRAINING: "message", words.EVALUATING: "message",
}  # fmt: skip


def table_lines(listing: Listing, first: int, room: int, height: int, glyphs: Glyphs) -> list[Line]:
    """A heading and the rows from `first` on; only these are laid out, however many runs there are."""
    lines = [_heading(listing, room, glyphs)]
    if not listing.visible:
        return [*lines, *(line((f" {row}", "dim")) for row in wrap(_nothing(listing), room - 2))]
    at, marked = listing.at, set(listing.marked)
    for place in range(first, min(len(listing.visible), first + height - 1)):
        row = listing.visible[place]
        lines.append(_row(row, place == at, key_of(row) in marked, room, glyphs))
    return lines


def _nothing(listing: Listing) -> str:
    if listing.filter.text:
        return f"none of {plural(len(listing.rows), 'run')} fits this filter; esc drops it"
    return "reading…" if listing.expected else "no runs yet: start one with dlmon train.py"


def _heading(listing: Listing, room: int, glyphs: Glyphs) -> Line:
    name, tags, note = _widths(room)
    arrow = ("v" if listing.reverse else "^") if glyphs.ascii else ("↓" if listing.reverse else "↑")

    def title(column: str, text: str) -> str:
        return f"{text}{arrow}" if column == listing.column else text

    named = title("time", "run") if listing.column == "time" else title("name", "run")
    cells = [pad(named, name), *(pad(title(*part[:2]), part[2], right=part[0] != "state") for part in _COLUMNS)]
    cells += [pad("tags", tags)] * bool(tags) + [pad("note", note)] * bool(note)
    return line(("   " + " ".join(cells), "dim"))


def _widths(room: int) -> tuple[int, int, int]:
    """Of name, tags and note."""
    left = room - _FIXED
    name = min(_NAME, left)
    tags = _TAGS if left - name > _TAGS + 12 else 0
    note = left - name - tags - 2 if tags else max(0, left - name - 1)
    return name, tags, note if note >= 12 else 0


def _row(row: Row, chosen: bool, marked: bool, room: int, glyphs: Glyphs) -> Line:
    name, tags, note = _widths(room)
    sign = glyphs.focus if chosen else " "
    mark = ("*" if glyphs.ascii else "●") if marked else " "
    state = row.state.removeprefix(REHEARSAL).lstrip(", ") if row.kind == REHEARSAL else row.state
    role = _ROLES.get(row.state, "bad" if row.exit_code else "text")
    shown: list[tuple[str, str]] = [
        (f"{sign}{mark} ", "focus"), (pad(row.name, name), "strong" if chosen else "text"), (" ", "text"),
        (pad(state, 10), role), (" ", "text"),
        (pad(count(row.steps) if row.steps else MISSING, 9, right=True), "text"),
        (" ", "text"), (pad(number(row.loss), 8, right=True), _loss_role(row)), (" ", "text"),
        (pad(duration(row.seconds), 11, right=True), "text"), (" ", "text"),
        (pad(size(row.size), 8, right=True), "dim"),
    ]  # fmt: skip
    if tags:
        shown += [(" ", "text"), (pad(" ".join(row.tags), tags), "hint")]
    if note:
        shown += [(" ", "text"), (pad(row.note, note), "dim")]
    return line(*shown)


def _loss_role(row: Row) -> str:
    return "bad" if row.loss is not None and row.loss - row.loss != 0 else "text"


def head_line(listing: Listing, folder: str, room: int) -> Line:
    """How many runs, of what size, in which order."""
    shown, known = len(listing.visible), len(listing.rows)
    amount = f"{shown:,} of {plural(known, 'run')}" if shown != known else plural(known, "run")
    reading = f"reading {known:,} of {listing.expected:,}" if known < listing.expected else ""
    right = joined(
        [
            (f"{len(listing.marked)} marked" if listing.marked else "", "focus"),
            (f"filter: {cut(listing.filter.text, 30)}" if listing.filter.text else "", "match"),
            (size(listing.size) if listing.size else "", "text"),
        ]
    )
    left = (Span(" "), *joined([(cut(folder, 40), "name"), (amount, "text"), (reading, "message")]))
    return spread(left, (*right, Span(" ")), room)


def detail_lines(row: Row | None, room: int) -> list[Line]:
    """The chosen run in full: what was run; its tags and its note."""
    if row is None:
        return [(), ()]
    exit_code = "" if row.exit_code is None else f"exit code {row.exit_code}"
    tags = " ".join(row.tags)
    first = joined([(f" {row.state}", _ROLES.get(row.state, "text")), (exit_code, "text"), (row.command, "dim")])
    second = joined(
        [
            (f" tags: {tags or 'none'}", "hint" if tags else "dim"),
            (f"note: {row.note or 'none'}", "text" if row.note else "dim"),
        ]
    )
    return [fit(first, room), fit(second, room)]


class RunTable(LineWidget):
    """The list; `listing` is what it shows."""

    def __init__(self) -> None:
        super().__init__(id="runs")
        self.listing = Listing()
        self.first = 0

    def show_listing(self, listing: Listing) -> None:
        self.listing = listing
        self.redraw()

    def compose_lines(self, room: int, height: int) -> Sequence[Line]:
        rows = max(1, height - 1)
        at = self.listing.at
        self.first = max(0, min(self.first, at, len(self.listing.visible) - rows))
        self.first = max(self.first, at - rows + 1)
        return table_lines(self.listing, self.first, room, height, self.glyphs)


class Head(LineWidget):
    """The top line."""

    def __init__(self, folder: str) -> None:
        super().__init__(id="head")
        self.folder, self.listing = folder, Listing()

    def compose_lines(self, room: int, height: int) -> Sequence[Line]:  # noqa: ARG002
        return [head_line(self.listing, self.folder, room)]


class Detail(LineWidget):
    """The chosen run."""

    def __init__(self) -> None:
        super().__init__(id="detail")
        self.row: Row | None = None

    def compose_lines(self, room: int, height: int) -> Sequence[Line]:  # noqa: ARG002
        rule = line((self.glyphs.frame[4] * room, "frame"))
        return [rule, *detail_lines(self.row, room)]
