"""Curves as characters: a grid of dots, 2×4 to a braille character, or one to a cell in ASCII."""

from __future__ import annotations

from collections.abc import Sequence

_BRAILLE = 0x2800
_DOTS = ((0x40, 0x04, 0x02, 0x01), (0x80, 0x20, 0x10, 0x08))  # [column][row from below] of the dots in one character
# _FILLED[column][low][high]: the dots of one column of a character from one row to another.
_FILLED = tuple(tuple(tuple(sum(column[low : high + 1]) for high in range(4)) for low in range(4)) for column in _DOTS)

# Which dots along a curve are drawn, so that curves differ without colour: solid, dashed, dotted, dash-dotted.
PATTERNS = (
    (True,),
    (True, True, True, False, False),
    (True, False, False),
    (True, True, True, True, False, True, False),
)


class Raster:
    """One layer of dots over `columns` × `rows` cells. (0, 0) is the dot at the bottom left.

    cells: bits of each cell by row from above, 0 where it is empty.
    """

    def __init__(self, columns: int, rows: int, *, ascii: bool = False) -> None:
        self.columns, self.rows, self.ascii = columns, rows, ascii
        self.across, self.up = (1, 1) if ascii else (2, 4)
        self.width, self.height = columns * self.across, rows * self.up
        self.cells = [bytearray(columns) for _ in range(rows)]

    def upright(self, x: int, low: int, high: int) -> None:
        """The dots of one column from `low` to `high`; what lies outside of the grid is left out."""
        low, high = max(0, low), min(self.height - 1, high)
        if not 0 <= x < self.width or low > high:
            return
        if self.ascii:
            for y in range(low, high + 1):
                self.cells[self.rows - 1 - y][x] = 1
            return
        column, filled = x >> 1, _FILLED[x & 1]
        bottom, top = low >> 2, high >> 2
        for row in range(bottom, top + 1):
            dots = filled[low & 3 if row == bottom else 0][high & 3 if row == top else 3]
            self.cells[self.rows - 1 - row][column] |= dots

    def stroke(self, x0: int, y0: int, x1: int, y1: int, pattern: Sequence[bool] = (True,)) -> None:
        """A straight line between two dots, x0 <= x1, column by column; the pattern counts from the left edge."""
        across = max(1, x1 - x0)
        before = y0
        for x in range(x0, x1 + 1):
            y = y0 + round((y1 - y0) * (x - x0) / across) if x1 > x0 else y1
            if pattern[x % len(pattern)]:
                if abs(y - before) <= 1:
                    self.upright(x, y, y)
                elif y > before:
                    self.upright(x, before + 1, y)
                else:
                    self.upright(x, y, before - 1)
            before = y

    def sign(self, bits: int, mark: str) -> str:
        """The character for a cell's bits. mark: what a dot looks like in ASCII."""
        return mark if self.ascii else chr(_BRAILLE | bits)
