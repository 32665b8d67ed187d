"""The training's own output as plain lines, for stdout."""

from __future__ import annotations

from pathlib import Path

from dlmon.record.output import OutputTail

_BLOCK = 1 << 14  # fewer bytes than the tail holds lines, so that none is dropped between two looks
_TURN = 128  # blocks before events and signals get their turn


class OutputLines:
    """Gives each complete line once; escape sequences are gone and redrawn lines are collapsed. Nothing is skipped:
    stdout is data, and whoever reads it slowly gets it late."""

    def __init__(self, folder: Path) -> None:
        self._tail = OutputTail(folder, most_behind=None)
        self._given = 0
        self.behind = False  # there was more than one call's worth

    def more(self, until: int | None = None) -> list[str]:
        """Lines completed since the last call, 2 MiB of output at most, as far as byte `until` (None: to its end)."""
        lines: list[str] = []
        for _ in range(_TURN):
            if not self._tail.poll(_BLOCK, until):
                self.behind = False
                return lines
            lines += self._take()
        self.behind = True
        return lines

    @property
    def partial(self) -> str:
        """What stands in the last line so far: a prompt, perhaps."""
        return self._tail.partial

    def unfinished(self) -> list[str]:
        """At the end: a last line without a newline."""
        return [self._tail.partial] if self._tail.partial else []

    def _take(self) -> list[str]:
        # The count goes back when a program redraws lines with the cursor; what was printed stays printed.
        new = self._tail.since(self._given) if self._tail.count > self._given else []
        self._given = self._tail.count
        return new
