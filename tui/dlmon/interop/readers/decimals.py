"""Numbers of a table whose author's language writes a comma where others write a point: `1,5`."""

from __future__ import annotations

import re
from collections.abc import Iterable

_COMMA = re.compile(r"\s*[+-]?\d+,\d+(?:[eE][+-]?\d+)?\s*")
_THOUSANDS = re.compile(r"\s*[+-]?[1-9]\d{0,2},\d{3}\s*")  # 1,000 may be a thousand or one
_POINT = re.compile(r"\s*[+-]?\d*\.\d*(?:[eE][+-]?\d+)?\s*")


class Decimals:
    """Decides from the cells, once for the table, whether a comma is the sign of the decimals."""

    def __init__(self) -> None:
        self._comma = self._point = False
        self._unread = 0
        self._first = ""

    def look(self, cells: Iterable[str]) -> None:
        """Cells that are read next. As long as none tells, it stays undecided."""
        for cell in cells:
            if "," in cell:
                self._comma = self._comma or bool(_COMMA.fullmatch(cell) and not _THOUSANDS.fullmatch(cell))
            elif "." in cell:
                self._point = self._point or bool(_POINT.fullmatch(cell))

    def number(self, cell: str) -> float | None:
        """A cell as a number; None for text, and for a comma that may mean two things."""
        try:
            return float(cell)
        except ValueError:
            pass
        if "," not in cell or not _COMMA.fullmatch(cell):
            return None
        if self._comma and not self._point:
            return float(cell.replace(",", "."))
        self._unread += 1
        self._first = self._first or cell.strip()[:40]
        return None

    @property
    def trouble(self) -> list[str]:
        if not self._unread:
            return []
        why = "others have a decimal point" if self._point else "thousands or decimals"
        return [
            f"{self._unread:,} numbers with a comma left out (the first: {self._first!r}): what it means is not clear "
            f"({why}); write decimals with a point"
        ]
