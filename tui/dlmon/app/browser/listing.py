"""What the browser knows and shows: rows, filter, order, marks, the chosen run. Immutable; each key gives the next."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from dlmon.catalogue.order import COLUMNS, TIME, ordered
from dlmon.catalogue.rows import Row
from dlmon.catalogue.words import Filter

# Newest, worst, largest first: what one looks for. Names and states read better from A on, losses from the best on.
_LARGEST_FIRST = frozenset({TIME, "steps", "seconds", "size"})


def largest_first(column: str) -> bool:
    return column in _LARGEST_FIRST


@dataclass(frozen=True)
class Listing:
    """rows: by folder name, as they came. visible: those that the filter takes, in their order. expected: how many
    folders there are, read or not. chosen: a name, "" before the first row came; at: its place among the visible rows.
    marked: in the order of marking. size: bytes of the visible rows, as far as they are known."""

    rows: Mapping[str, Row] = field(default_factory=dict)
    visible: Sequence[Row] = ()
    filter: Filter = field(default_factory=Filter)
    column: str = TIME
    reverse: bool = True
    chosen: str = ""
    marked: Sequence[str] = ()
    expected: int = 0
    at: int = 0
    size: int = 0

    @property
    def row(self) -> Row | None:
        return self.visible[self.at] if self.visible else None

    def meant(self) -> list[Row]:
        """The marked rows, or else the chosen one."""
        marked = [self.rows[name] for name in self.marked if name in self.rows]
        return marked or ([self.row] if self.row is not None else [])

    def with_rows(self, rows: Iterable[Row], gone: Collection[str] = (), expected: int | None = None) -> Listing:
        """More rows, or rows that have changed; without those that are gone."""
        known = {name: row for name, row in self.rows.items() if name not in gone}
        known.update((key_of(row), row) for row in rows)
        marked = tuple(name for name in self.marked if name in known)
        more = replace(self, rows=known, marked=marked, expected=len(known) if expected is None else expected)
        return more._sorted()

    def filtered(self, meant: Filter) -> Listing:
        return replace(self, filter=meant)._sorted()

    def sorted_by(self, column: str, *, reverse: bool | None = None) -> Listing:
        turned = largest_first(column) if reverse is None else reverse
        return replace(self, column=column, reverse=turned)._sorted()

    def next_column(self, direction: int) -> Listing:
        names = list(COLUMNS)
        return self.sorted_by(names[(names.index(self.column) + direction) % len(names)])

    def moved(self, rows: int) -> Listing:
        """The choice so many rows further; it stops at the ends."""
        if not self.visible:
            return self
        place = max(0, min(len(self.visible) - 1, self.at + rows))
        return replace(self, chosen=key_of(self.visible[place]), at=place)

    def toggled(self) -> Listing:
        """The chosen run marked, or not any more; and the next one chosen."""
        if self.row is None:
            return self
        name = key_of(self.row)
        marked = tuple(one for one in self.marked if one != name) if name in self.marked else (*self.marked, name)
        return replace(self, marked=marked).moved(1)

    def unmarked(self) -> Listing:
        return replace(self, marked=())

    def _sorted(self) -> Listing:
        """The visible rows anew. A choice that the filter leaves out goes to the row that took its place."""
        now = time.time()
        taken = (
            [row for row in self.rows.values() if self.filter.takes(row, now)]
            if self.filter.tests
            else self.rows.values()
        )
        visible = tuple(ordered(taken, self.column, reverse=self.reverse))
        place, chosen = 0, ""
        if self.chosen:  # until a key is pressed the first row is the chosen one, whatever comes in before it
            row = self.rows.get(self.chosen)
            found = next((place for place, one in enumerate(visible) if one is row), None)
            place = min(self.at, max(0, len(visible) - 1)) if found is None else found
            chosen = key_of(visible[place]) if visible else ""
        size = sum(row.size or 0 for row in visible)
        return replace(self, visible=visible, chosen=chosen, at=place, size=size)


def key_of(row: Row) -> str:
    """The name of its folder."""
    return row.folder.rpartition("/")[2]
