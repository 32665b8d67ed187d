"""The lines of a text file that may still grow."""

from __future__ import annotations

from pathlib import Path

BLOCK = 1 << 20
LONGEST = 16 << 20  # bytes; a longer line is skipped


class Lines:
    """Complete lines, block by block. skipped counts lines that were too long to hold."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.skipped = 0
        self._offset = 0
        self._rest = b""
        self._skipping = False

    def read(self) -> list[bytes] | None:
        """The lines that the next block closes; None at the end of the file for now. Raises OSError."""
        with self.path.open("rb") as file:
            file.seek(self._offset)
            data = file.read(BLOCK)
        if not data:
            return None
        self._offset += len(data)
        first, *lines = data.split(b"\n")
        if not lines:
            self._hold(first)
            return []
        self._hold(first)
        *whole, rest = [b"" if self._skipping else self._rest, *lines]
        self._skipping, self._rest = False, rest
        return whole

    def _hold(self, part: bytes) -> None:
        if not self._skipping:
            self._rest += part
        if len(self._rest) > LONGEST:
            self.skipped += 1
            self._skipping, self._rest = True, b""

    def finish(self) -> list[bytes]:
        """The last line, which no newline closes."""
        rest, self._rest = self._rest, b""
        return [rest] if rest and not self._skipping else []
