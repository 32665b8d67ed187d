"""TensorBoard event files.

Scalars are `simple_value`s, as SummaryWriter writes them: every reader knows that form, and it holds a float32.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import BinaryIO

from dlmon.interop import protobuf
from dlmon.interop.crc import crc32c, crc32c_many, mask

VERSION = b"brain.Event:2"
_LARGEST = 3.4028234663852886e38
_AT_ONCE = 4096  # records whose checksums are computed together
_TIME_STEP = struct.Struct("<Bd")


def file_name(t: float, who: str = "dlmon", number: int = 0) -> str:
    """The name of an event file; TensorBoard reads those of one folder in the order of their names."""
    return f"events.out.tfevents.{max(0, int(t)):010d}.{who}.{number}"


class EventWriter:
    """Writes scalars into an open file. Call `flush` at the end."""

    def __init__(self, file: BinaryIO, t: float) -> None:
        """t: unix seconds of the file's beginning. Raises OSError."""
        self._file = file
        self._waiting = [_TIME_STEP.pack(0x09, t) + protobuf.put(3, VERSION)]
        self.points = 0

    def add(self, t: float, step: int, values: Mapping[str, float]) -> None:
        """Numbers of one step. Raises OSError."""
        head = _TIME_STEP.pack(0x09, t) + (b"\x10" + protobuf.put_varint(step) if step else b"")
        for tag, value in values.items():
            self._waiting.append(head + _summary(tag, value))
        self.points += len(values)
        if len(self._waiting) >= _AT_ONCE:
            self.flush()

    def flush(self) -> None:
        """Write what was added. Raises OSError."""
        records, self._waiting = self._waiting, []
        lengths = [struct.pack("<Q", len(record)) for record in records]
        crcs = crc32c_many(records)
        parts: list[bytes] = []
        for record, length, crc in zip(records, lengths, crcs, strict=True):
            parts += (length, _length_crc(length), record, struct.pack("<I", mask(crc)))
        self._file.write(b"".join(parts))
        self._file.flush()


@lru_cache(maxsize=4096)
def _length_crc(length: bytes) -> bytes:
    return struct.pack("<I", mask(crc32c(length)))


@lru_cache(maxsize=8192)
def _tag(tag: str) -> bytes:
    return protobuf.put(1, tag.encode("utf-8", "replace"))


def _summary(tag: str, value: float) -> bytes:
    """Event.summary = 5, of which value = 1, of which tag = 1 and simple_value = 2."""
    if abs(value) > _LARGEST:  # as a cast would; NaN compares as false
        value = float("inf") if value > 0 else float("-inf")
    return protobuf.put(5, protobuf.put(1, _tag(tag) + b"\x15" + struct.pack("<f", value)))


def write(rows: Iterable[tuple[int, float, Mapping[str, float]]], file: BinaryIO, t: float) -> int:
    """Write (step, time, values) rows; how many numbers there were. Raises OSError."""
    writer = EventWriter(file, t)
    for step, moment, values in rows:
        writer.add(moment, step, values)
    writer.flush()
    return writer.points
