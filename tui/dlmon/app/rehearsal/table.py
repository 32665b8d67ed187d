"""Rows of text in columns as wide as what stands in them."""

from __future__ import annotations

from collections.abc import Sequence

from dlmon.app.lines import Line, cell_len, cut, line, pad
from dlmon.text import clean

_GAP = "  "


def table_lines(rows: Sequence[Sequence[str]], room: int, *, widest: int = 36, indent: str = "") -> list[Line]:
    """rows: the titles first. Columns that do not fit are left out, those at the right first; the first one stays."""
    cells = [[clean(text) for text in row] for row in rows]
    widths = [min(widest, max(map(cell_len, column))) for column in zip(*cells, strict=True)]
    kept, left = 1, room - len(indent) - widths[0]
    while kept < len(widths) and left >= len(_GAP) + widths[kept]:
        left -= len(_GAP) + widths[kept]
        kept += 1
    texts = [indent + _GAP.join(map(pad, row[:kept], widths)) for row in cells]
    return [line((cut(text, room), "text" if index else "dim")) for index, text in enumerate(texts)]
