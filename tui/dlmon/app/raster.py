"""Curves as characters: a grid of dots, 2×4 to a braille character, or one to a cell in ASCII."""

from __future__ import annotations

from collections.abc import Sequence

_BRAILLE = 0x2800
_BITS = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))  # [row][column] of the dots in one character

# Which dots along a curve are drawn, so that curves differ without colour: solid, dashed, dotted, dash-dotted.
PATTERNS = ((True,), (True, True, True, False, False), (True, False, False), (True, True, True, True, False, True, False))


class Raster:
    """One layer of dots over `columns` × `rows` cells. (0, 0) is the dot at the bottom left."""

    def __init__(self, columns: int, rows: int, *, ascii: bool = False) -> None:
        self.columns, self.rows, self.ascii = columns, rows, ascii
        self.across, self.up = (1, 1) if ascii else (2, 4)
        self.width, self.height = columns * self.across, rows * self.up
        self._cells = [bytearray(columns) for _ in range(rows)]

    def dot(self, x: int, y: int) -> None:
        """Dots outside of the grid are left out."""
        if 0 <= x < self.width and 0 <= y < self.height:
            row, column = divmod(self.height - 1 - y, self.up), divmod(x, self.across)
            self._cells[row[0]][column[0]] |= 1 if self.ascii else _BITS[row[1]][column[1]]

    def upright(self, x: int, low: int, high: int) -> None:
        for y in range(max(0, low), min(self.height - 1, high) + 1):
            self.dot(x, y)

    def stroke(self, x0: int, y0: int, x1: int, y1: int, pattern: Sequence[bool] = (True,)) -> None:
        """A straight line between two dots, x0 <= x1; the pattern counts from the left edge of the grid."""
        across, up = x1 - x0, y1 - y0
        length = max(abs(across), abs(up), 1)
        for index in range(length + 1):
            x = x0 + round(across * index / length)
            if pattern[x % len(pattern)]:
                self.dot(x, y0 + round(up * index / length))

    def sign(self, column: int, row: int, mark: str) -> str:
        """The character of a cell, "" where it is empty. mark: what a dot looks like in ASCII."""
        bits = self._cells[row][column]
        if not bits:
            return ""
        return mark if self.ascii else chr(_BRAILLE | bits)
