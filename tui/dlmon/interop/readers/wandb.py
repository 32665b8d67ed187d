"""`.wandb` files that W&B writes, offline or not: history rows, the exit code.

Framing: LevelDB's log format (https://github.com/google/leveldb/blob/main/doc/log_format.md) with zlib's CRC-32 in
place of CRC-32C, after a header of seven bytes. Records: wandb/proto/wandb_internal.proto.
"""

from __future__ import annotations

import json
import os
import struct
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

from dlmon import text
from dlmon.errors import UserError
from dlmon.interop import protobuf
from dlmon.interop.rows import Ended, Row, flat, whole

HEADER = struct.Struct("<4sHB")
IDENT, MAGIC = b":W&B", 0xBEE1
BLOCK = 32768
_RECORD = struct.Struct("<IHB")
_FULL, _FIRST, _MIDDLE, _LAST = 1, 2, 3, 4
_TYPE_CRC = {kind: zlib.crc32(bytes([kind])) for kind in (_FULL, _FIRST, _MIDDLE, _LAST)}
_LONGEST = 64 << 20  # bytes of one record; history rows are far below
_HISTORY, _EXIT = 2, 18
_VALUE_JSON = b"\x82\x01"  # the key of field 16
_MOST_BLOCKS = 32  # in one read


class WandbReader:
    """History items become rows; keys of W&B's own (`_runtime`, …) are left out."""

    kind, source, counts_done = "W&B file", "wandb", False

    def __init__(self, path: Path) -> None:
        """Raises UserError when it does not begin as a .wandb file, and OSError."""
        self.path = path
        self.ended: Ended | None = None
        self._offset = HEADER.size
        self._parts: list[bytes] | None = None  # of a record that is spread over blocks
        self._damaged = self._odd = self._count = 0
        with path.open("rb") as file:
            head = file.read(HEADER.size)
        if len(head) < HEADER.size or HEADER.unpack(head)[:2] != (IDENT, MAGIC):
            raise UserError(f"{text.clean(str(path))} is not a .wandb file: it does not begin like one")

    def read(self) -> Sequence[Row] | None:
        before = self._offset
        with self.path.open("rb") as file:
            records = list(self._records(file, os.fstat(file.fileno()).st_size))
        if self._offset == before:
            return None
        rows = []
        for record in records:
            try:
                row = self._row(record)
            except protobuf.Malformed:
                self._odd += 1
                continue
            if row is not None:
                rows.append(row)
        return rows

    def finish(self) -> Sequence[Row]:
        return ()

    # ---- framing

    def _records(self, file: BinaryIO, size: int) -> Iterator[bytes]:
        for _ in range(_MOST_BLOCKS):
            start = self._offset - self._offset % BLOCK
            file.seek(start)
            block = file.read(min(BLOCK, size - start))
            yield from self._in_block(block, start)
            if len(block) < BLOCK or self._offset < start + BLOCK:
                return

    def _in_block(self, block: bytes, start: int) -> Iterator[bytes]:
        """Fragments of one block, joined; what is not written yet stays for the next read."""
        place = self._offset - start
        while place + _RECORD.size <= BLOCK:
            if place + _RECORD.size > len(block):
                return
            crc, length, kind = _RECORD.unpack_from(block, place)
            end = place + _RECORD.size + length
            if end <= BLOCK and end > len(block):
                return
            data = block[place + _RECORD.size : end]
            if end > BLOCK or kind not in _TYPE_CRC or zlib.crc32(data, _TYPE_CRC[kind]) != crc:
                self._damaged += 1
                self._parts = None
                break  # as LevelDB does: go on with the next block
            place, self._offset = end, start + end
            whole_record = self._join(kind, data)
            if whole_record is not None:
                yield whole_record
        if len(block) == BLOCK or place + _RECORD.size > BLOCK:
            self._offset = start + BLOCK

    def _join(self, kind: int, data: bytes) -> bytes | None:
        if kind == _FULL:
            self._parts = None
            return data
        if kind == _FIRST:
            self._parts = [data]
            return None
        if self._parts is None:
            return None
        self._parts.append(data)
        if len(self._parts) * BLOCK > _LONGEST:
            self._damaged += 1
            self._parts = None
        if kind != _LAST or self._parts is None:
            return None
        joined, self._parts = b"".join(self._parts), None
        return joined

    # ---- records

    def _row(self, record: bytes) -> Row | None:
        for number, _, value in protobuf.fields(record):
            if number == _HISTORY:
                return self._history(protobuf.message(value))
            if number == _EXIT:
                self._exit(protobuf.message(value))
        return None

    def _history(self, data: bytes) -> Row:
        values: dict[str, float] = {}
        step: float | None = None
        media: list[str] = []
        for number, _, value in protobuf.fields(data):
            if number == 1:
                path, json_text = _item(protobuf.message(value))
                if path[-1:] == ["_type"]:
                    media.append("/".join([*path[:-1], ""]))
                else:
                    values |= _numbers("/".join(path), json_text)
            elif number == 2:
                step = _history_step(protobuf.message(value))
        for prefix in media:
            values = {tag: value for tag, value in values.items() if not tag.startswith(prefix)}
        step = values.pop("_step", step)
        count, self._count = self._count, self._count + 1
        t = values.pop("_timestamp", None)
        shown = {tag: value for tag, value in values.items() if not tag.startswith("_")}
        return Row(t, count if step is None else whole(step), shown)

    def _exit(self, data: bytes) -> None:
        numbers = {number: value for number, _, value in protobuf.fields(data) if isinstance(value, int)}
        self.ended = Ended(protobuf.signed(numbers.get(1, 0)) & 0xFF, float(numbers.get(2, 0) & 0xFFFFFFFF))

    @property
    def trouble(self) -> Sequence[str]:
        lines = []
        if self._damaged:
            lines.append(
                f"{text.plural(self._damaged, 'block')} of {text.clean(self.path.name)} are damaged and were left out"
            )
        if self._odd:
            lines.append(f"{text.plural(self._odd, 'record')} of {text.clean(self.path.name)} could not be read")
        return lines


def _history_step(data: bytes) -> float:
    """HistoryStep: num = 1."""
    numbers = (value for number, _, value in protobuf.fields(data) if number == 1)
    return next((float(value) for value in numbers if isinstance(value, int)), 0.0)


def _item(data: bytes) -> tuple[list[str], str]:
    """The path and the value of one HistoryItem: key = 1, nested_key = 2 (instead of key), value_json = 16."""
    if len(data) > 4 and data[0] in (0x0A, 0x12) and data[1] < 0x80:  # one short key, one short value: nearly all
        end = 2 + data[1]
        rest = len(data) - end - 3
        if 0 <= rest < 0x80 and data[end : end + 3] == _VALUE_JSON + bytes((rest,)):
            return [protobuf.text(data[2:end])], protobuf.text(data[end + 3 :])
    path: list[str] = []
    json_text = ""
    for number, _, value in protobuf.fields(data):
        if number in (1, 2):
            path.append(protobuf.text(value))
        elif number == 16:
            json_text = protobuf.text(value)
    return path, json_text


def _numbers(name: str, json_text: str) -> dict[str, float]:
    """The numbers of a value; NaN and infinities stand there by name."""
    if json_text[:1] in ("{", '"'):
        try:
            return flat({name: json.loads(json_text)})
        except (ValueError, RecursionError):
            return {}
    try:
        return {name: float(json_text)}
    except ValueError:
        return {}
