"""`trainer_state.json` of transformers' Trainer: its `log_history`, written anew with each checkpoint."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from dlmon import text
from dlmon.errors import UserError
from dlmon.interop.rows import Ended, Row, Steps, flat

LARGEST = 256 << 20  # bytes; it is one JSON value, which has to be in memory as a whole
_SUMMARY = "train_runtime"  # in the last entry only, whose train_loss is the mean over the whole training


class TrainerStateReader:
    """Entries of `log_history` become rows. Its steps count what is done: the loss of entry 500 is that of step 499."""

    kind, source, counts_done = "transformers trainer state", "transformers", True
    ended: Ended | None = None

    def __init__(self, path: Path) -> None:
        self.path = path
        self._read = 0
        self._seen: tuple[int, int] | None = None
        self._odd = 0
        self._steps = Steps()

    def read(self) -> Sequence[Row] | None:
        """Raises UserError for a file that holds no log_history; while it is followed, that is a file half written."""
        status = self.path.stat()
        seen = (status.st_size, status.st_mtime_ns)
        if seen == self._seen:
            return None
        if status.st_size > LARGEST:
            path, size = text.clean(str(self.path)), text.size(status.st_size)
            raise UserError(f"{path} has {size}; at most {text.size(LARGEST)} can be read")
        history = log_history(self.path)
        if history is None:
            if self._seen is not None:
                return None
            raise UserError(
                f"{text.clean(str(self.path))} is no trainer_state.json that can be read: {what(self.path)}; it has no "
                "list `log_history`. Other logs: one JSON object in each line"
            )
        self._seen = seen
        new, self._read = history[self._read :], max(self._read, len(history))
        return [row for entry in new if (row := self._row(entry)) is not None]

    def _row(self, entry: object) -> Row | None:
        if not isinstance(entry, dict):
            self._odd += 1
            return None
        values = flat(entry)
        values.pop("step", None)
        step = self._steps.of(entry["step"]) if "step" in entry else None
        if step is None and "step" in entry:
            return None
        if _SUMMARY in values:
            values = {f"summary/{name}": value for name, value in values.items()}
        return Row(None, step, values)

    def finish(self) -> Sequence[Row]:
        return ()

    @property
    def trouble(self) -> Sequence[str]:
        odd = f"{text.plural(self._odd, 'entry', 'entries')} of log_history left out: no JSON object"
        return [*([odd] if self._odd else []), *self._steps.trouble]


def what(path: Path) -> str:
    """What is in a file instead of an object with a log_history. Raises OSError."""
    data = path.read_bytes()
    if not data.strip():
        return "it is empty"
    try:
        value = json.loads(data.decode("utf-8", "replace"))
    except (ValueError, RecursionError, MemoryError):
        return "it is no JSON, or not to its end"
    if not isinstance(value, dict):
        return f"it holds {'a list' if isinstance(value, list) else 'one value'}, not an object"
    return "its `log_history` is no list" if "log_history" in value else "it is one object over several lines"


def log_history(path: Path) -> list[object] | None:
    """The list, None for any other file. Raises OSError."""
    try:
        state = json.loads(path.read_bytes().decode("utf-8", "replace"))
    except (ValueError, RecursionError, MemoryError):
        return None
    history = state.get("log_history") if isinstance(state, dict) else None
    return history if isinstance(history, list) else None
