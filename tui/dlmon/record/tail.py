"""Follow one append-only file of lines, however it is growing."""

from __future__ import annotations

from pathlib import Path

LONGEST_LINE = 32 << 20  # a line beyond this is skipped: no event comes near it


class Tail:
    """Complete lines of a file as they come.

    A torn last line is not yet a line: it is read again with its rest. A file that is not there yet has no lines; one
    that became shorter or was replaced is read from its start. `skipped` counts lines that were too long to hold.
    """

    def __init__(self, path: Path, offset: int = 0, end: int | None = None) -> None:
        """offset: where to begin, the start of a line. end: read no further, and never from the start again."""
        self.path = path
        self.skipped = 0
        self.start = offset  # of the first line that the last read gave
        self._end = end
        self._offset = offset  # start of the first line not yet given out
        self._inode: int | None = None
        self._seen = -1  # file size at which no further line was found
        self._skipping = False

    def read(self, block: int = 1 << 18) -> list[bytes]:
        """The next lines, without their newlines: about `block` bytes of them. Empty where there is none now."""
        size = self._size()
        if size is None or size == self._seen or size <= self._offset:
            return []
        try:
            with self.path.open("rb") as file:
                file.seek(self._offset)
                return self._lines(file.read(min(block, size - self._offset)), size, block)
        except OSError:
            return []

    @property
    def offset(self) -> int:
        """Where the next read begins."""
        return self._offset

    @property
    def pending(self) -> bool:
        """True if the file has bytes that the last read did not look at."""
        size = self._size()
        return size is not None and size != self._seen and size > self._offset

    def _size(self) -> int | None:
        try:
            status = self.path.stat()
        except OSError:
            return None
        if self._end is not None:
            return min(self._end, status.st_size)
        if status.st_ino != self._inode or status.st_size < self._offset:
            self._inode, self._offset, self._seen, self._skipping = status.st_ino, 0, -1, False
        return status.st_size

    def _lines(self, data: bytes, size: int, block: int) -> list[bytes]:
        end = data.rfind(b"\n") + 1
        if not end:
            return self._without_newline(data, size, block)
        self.start = self._offset
        self._offset += end
        lines = data[: end - 1].split(b"\n")
        if self._skipping:
            self._skipping = False
            self.start += len(lines[0]) + 1
            del lines[0]
        return lines

    def _without_newline(self, data: bytes, size: int, block: int) -> list[bytes]:
        if self._skipping or len(data) > LONGEST_LINE:
            self.skipped += not self._skipping
            self._skipping = True
            self._offset += len(data)
            return []
        if self._offset + len(data) >= size:
            self._seen = size  # torn: nothing to do until the file grows
            return []
        return self.read(block * 4)  # a line longer than the block


def line_at(path: Path, offset: int) -> bytes:
    """The line that begins at that byte; b"" where there is none."""
    try:
        with path.open("rb") as file:
            file.seek(offset)
            return file.readline(LONGEST_LINE)
    except OSError:
        return b""


def last_line(path: Path, end: int, most: int = 1 << 16) -> bytes:
    """The last complete line before byte `end`; b"" where there is none, or it is longer than `most`."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, end - most))
            data = file.read(min(end, most))
    except OSError:
        return b""
    stop = data.rfind(b"\n")
    start = data.rfind(b"\n", 0, max(0, stop)) + 1
    return data[start:stop] if stop >= 0 and (start or end <= most) else b""
