"""Follow output.log: the lines that the training printed, as plain text, within bounded time and memory."""

from __future__ import annotations

import codecs
import itertools
import os
from collections import deque
from pathlib import Path

from dlmon.record import layout
from dlmon.record.terminal_text import LONGEST_FRAME, clean_block, clean_line, compact

MOST_LINES = 20_000
MOST_BEHIND = 8 << 20  # bytes; further back than this, reading jumps to the end
KEPT_AT_JUMP = 1 << 19


class OutputTail:
    """The last lines of a run's output.

    lines: complete lines, oldest first, at most 20,000. count: how many there have been, skipped ones not counted, so
    that lines[-1] has the number count - 1; it goes back when a program moves the cursor up to redraw. partial: the
    line that is being written. No text in it holds control characters or escape sequences. Where the output grows
    faster than it can be shown, a line says how much was left out (most_behind None: nothing is left out). A missing
    file has no lines.
    """

    def __init__(self, folder: Path, most_lines: int = MOST_LINES, most_behind: int | None = MOST_BEHIND) -> None:
        self.path = Path(folder) / layout.OUTPUT
        self.lines: deque[str] = deque(maxlen=most_lines)
        self._most_behind = most_behind
        self.count = 0
        self._raw = ""  # the unfinished line as it came
        self._shown: str | None = ""
        self._restart()

    @property
    def partial(self) -> str:
        if self._shown is None:
            self._shown = clean_line(self._raw)
        return self._shown

    def since(self, number: int) -> list[str]:
        """Complete lines from this number on, as far as they are still held."""
        first = self.count - len(self.lines)
        return list(itertools.islice(self.lines, max(0, number - first), None))

    def poll(self, most: int = 1 << 20, until: int | None = None) -> bool:
        """Read at most about `most` bytes (up to file offset `until`); true if lines or the partial line changed."""
        try:
            with self.path.open("rb") as file:
                size = os.fstat(file.fileno()).st_size
                if until is not None:
                    size = min(size, until)
                if size < self._offset:
                    self._restart()
                if size == self._offset:
                    return False
                skipped = self._jump(size)
                file.seek(self._offset)
                data = file.read(min(most, size - self._offset))
        except OSError:
            return False
        self._offset += len(data)
        if skipped:
            data = data[data.find(b"\n") + 1 :]
        self._feed(self._decoder.decode(data))
        return True

    def _restart(self) -> None:
        self._offset = 0
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._raw, self._shown = "", ""

    def _jump(self, size: int) -> bool:
        """Leave out what is too far back to be worth reading."""
        skipped = size - self._offset - KEPT_AT_JUMP
        if self._most_behind is None or skipped <= self._most_behind:
            return False
        if self._raw:
            self._append(self.partial)
        self._decoder.reset()
        self._raw, self._shown = "", ""
        self._append(f"… {skipped / 1e6:.1f} MB skipped")
        self._offset = size - KEPT_AT_JUMP
        return True

    def _feed(self, text: str) -> None:
        block, newline, rest = (self._raw + text).rpartition("\n")
        if newline:
            self._append_block(block)
        if len(rest) > LONGEST_FRAME:
            rest = compact(rest)
            if len(rest) > LONGEST_FRAME:
                self._append_block(rest)
                rest = ""
        self._raw, self._shown = rest, None

    def _append_block(self, block: str) -> None:
        cleaned = clean_block(block)
        for back, line in cleaned:
            if back:
                self._take_back(back)
            self.lines.append(line)
        self.count += len(cleaned)

    def _append(self, line: str) -> None:
        self.lines.append(line)
        self.count += 1

    def _take_back(self, lines: int) -> None:
        for _ in range(min(lines, len(self.lines))):
            self.lines.pop()
            self.count -= 1
