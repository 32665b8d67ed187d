"""JSON lines: one object with numbers in each line."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from dlmon import text
from dlmon.interop.lines import Lines
from dlmon.interop.roles import EPOCH, STEP_COLUMNS, TIME_COLUMNS
from dlmon.interop.rows import Ended, Row, Steps, flat


class JsonLinesReader:
    """Objects become rows; nested ones are flattened with `/`. Without a step they are counted from 0."""

    kind, source, counts_done = "JSON lines", "jsonl", False
    ended: Ended | None = None

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lines = Lines(path)
        self._count = 0
        self._odd = 0
        self._steps = Steps()
        self._decode = _decoder()

    def read(self) -> Sequence[Row] | None:
        lines = self._lines.read()
        return None if lines is None else self._rows(lines)

    def finish(self) -> Sequence[Row]:
        return self._rows(self._lines.finish())

    def _rows(self, lines: Sequence[bytes]) -> list[Row]:
        found = []
        for line in lines:
            if not line.strip():
                continue
            row = self._decode(line)
            if not isinstance(row, dict):
                self._odd += 1
                continue
            one = self._one(row)
            if one is not None:
                found.append(one)
        return found

    def _one(self, row: Mapping[str, Any]) -> Row | None:
        """None where its step is none."""
        count, self._count = self._count, self._count + 1
        values = flat(row)
        name = next((name for name in STEP_COLUMNS if row.get(name) is not None), None)
        step = count if name is None else self._steps.of(row[name], parts=name == EPOCH)
        if step is None:
            return None
        if name is not None:
            values.pop(name, None)
        return Row(take_named(values, TIME_COLUMNS), step, values)

    @property
    def trouble(self) -> Sequence[str]:
        odd = self._odd + self._lines.skipped
        lines = [f"{text.plural(odd, 'line')} left out: no JSON object, or too long"] if odd else []
        return [*lines, *self._steps.trouble]


def take_named(values: dict[str, float], names: Sequence[str]) -> float | None:
    """Take the first of these names out of the values."""
    for name in names:
        if name in values:
            return values.pop(name)
    return None


def _decoder() -> Callable[[bytes], Mapping[str, Any] | None]:
    """msgspec is five times as fast as json, which is asked only for what Python's json alone takes: NaN, Infinity."""
    import msgspec

    quick = msgspec.json.Decoder().decode
    troubles = (ValueError, RecursionError, msgspec.MsgspecError)

    def decode(line: bytes) -> Any:
        try:
            return quick(line)
        except troubles:
            pass
        try:
            return json.loads(line.decode("utf-8", "replace"))
        except (ValueError, RecursionError):
            return None

    return decode
