"""The last events of a log, found from its end: however long a run was, one look costs the same."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

_PARTS = (1 << 14, 1 << 17, 1 << 20)  # bytes from the end; a `gradients` line of a large model takes 200 KB


class LogEnd:
    """Looks for the last whole line of a kind, further from the end only where it must; at most 1 MiB."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._data = b""
        self._read = 0  # how many of the parts

    def last(self, kind: str) -> dict[str, Any] | None:
        """The last one of its kind; None where there is none near the end."""
        found = self._find(kind)
        while found is None and self._more():
            found = self._find(kind)
        return found

    def _more(self) -> bool:
        """Read further from the end; false where there is nothing more."""
        if self._read >= len(_PARTS):
            return False
        wanted, self._read = _PARTS[self._read], self._read + 1
        try:
            with self._path.open("rb") as file:
                size = os.fstat(file.fileno()).st_size
                file.seek(max(0, size - wanted))
                self._data = file.read(wanted)
        except OSError:
            self._read = len(_PARTS)
            return False
        if size <= wanted:
            self._read = len(_PARTS)
        return True

    def _find(self, kind: str) -> dict[str, Any] | None:
        head = b'{"k":"%s"' % kind.encode()
        start = self._data.rfind(head)
        while start >= 0:
            line, newline, _ = self._data[start:].partition(b"\n")
            if newline:
                try:
                    found = json.loads(line)
                except (ValueError, RecursionError):
                    found = None
                if isinstance(found, dict):
                    return found
            start = self._data.rfind(head, 0, start)
        return None
