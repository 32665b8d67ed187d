"""`dlmon explain`: the page on a finding, as plain text on stdout."""

from __future__ import annotations

import shutil
from itertools import groupby

from dlmon.errors import OK, UserError
from dlmon.explain import pages, plain
from dlmon.headless.console import Console
from dlmon.watch import told

_WIDEST = 100  # prose is not read well in longer rows
_NARROWEST = 40


def explain(id: str | None, *, as_list: bool) -> int:
    """Print a page, or the list of them. Raises UserError for an id that is not known, with suggestions."""
    console = Console()
    if as_list or id is None:
        if id is not None:
            raise UserError("--list names all pages; leave out either it or the id")
        console.data(_list())
        return OK
    page = told.page() if id == told.TOPIC else pages.find(id).text
    width = max(_NARROWEST, min(_WIDEST, shutil.get_terminal_size((_WIDEST, 24)).columns - 1))
    console.data(row.text for row in plain.rows(page, width))
    return OK


def _list() -> list[str]:
    lines: list[str] = []
    titles = pages.titles()
    longest = max((len(id) for id, _ in titles), default=0)
    for _, family in groupby(titles, key=lambda row: row[0].partition(".")[0]):
        lines += ["", *(f"{id:<{longest}}  {plain.inline(title)}" for id, title in family)]
    return lines[1:]
