"""TensorBoard event files: scalars of both forms, streamed, all points; everything else is passed over.

Framing: TFRecord (length, masked CRC-32C of it, data, masked CRC-32C of that). Records: `Event` and `Summary` of
tensorboard/compat/proto. A folder may hold the files of several processes and restarts; those of its subfolders get
the subfolder's name in front of their tags, as TensorBoard shows them as runs.
"""

from __future__ import annotations

import os
import re
import struct
from collections import deque
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

from dlmon import text
from dlmon.interop import protobuf
from dlmon.interop.crc import crc32c, crc32c_many, mask
from dlmon.interop.rows import Ended, Row

MARK = "tfevents"
BLOCK = 1 << 20
PASSED_OVER = 1 << 20  # bytes; a longer record is a picture or a graph, and is not even read
MOST_FILES = 1000
DEEPEST = 6  # levels of subfolders
PORTION = 20_000  # rows merged at a time
_HEAD = struct.Struct("<QI")
_CRC = struct.Struct("<I")
_TAIL = 4

# What stands between the step and the number of a scalar as SummaryWriter writes it: the lengths of summary, value and
# tag, and the tag. A run has few of them, so a look-up takes the place of parsing: 1.2 instead of 12 µs a record.
_MIDDLE = re.compile(rb"\x2a([\x00-\x7f])\x0a([\x00-\x7f])\x0a([\x00-\x7f])(.*)\x15", re.DOTALL)
_DOUBLE_AT, _FLOAT_AT = struct.Struct("<d").unpack_from, struct.Struct("<f").unpack_from
_MOST_KNOWN = 20_000  # heads and tags remembered of one file
_FLOAT, _DOUBLE, _INT32, _INT64, _HALF, _BFLOAT16 = 1, 2, 3, 9, 19, 14  # DataType of types.proto


class EventFile:
    """One event file that may still grow. prefix: goes in front of its tags."""

    def __init__(self, path: Path, prefix: str = "") -> None:
        self.path, self.prefix = path, prefix
        self.ahead: deque[Row] = deque()
        self.broken = ""  # why reading stopped
        self.skipped = 0  # records whose checksum is wrong, or that are no events
        self._offset = 0
        self._broken_size = -1  # of the file when it was found broken: more may make it whole
        self._heads: dict[bytes, int] = {}  # length by the twelve bytes that hold it and its checksum
        self._tags: dict[bytes, str] = {}  # by what stands between step and number

    def fill(self) -> bool:
        """Parse the next block; false when there is nothing new. Raises OSError."""
        with self.path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            if size == self._broken_size or size - self._offset < _HEAD.size + _TAIL:
                return False
            file.seek(self._offset)
            data = file.read(min(BLOCK + PASSED_OVER, size - self._offset))
        before = self._offset
        self.ahead.extend(self._rows(self._frames(data, size)))
        return self._offset != before

    def _frames(self, data: bytes, size: int) -> list[bytes]:
        """The records that are there as a whole, each with the checksum behind it."""
        found: list[bytes] = []
        place, start, last = 0, self._offset, min(BLOCK, len(data) - _HEAD.size)
        self.broken, self._broken_size = "", -1
        while place <= last:
            head = data[place : place + _HEAD.size]
            length = self._heads.get(head)
            if length is None:
                length = self._length(head)
                if length is None:
                    self.broken = f"is damaged at byte {start + place:,}; what follows was left out"
                    self._broken_size = size
                    break
            end = place + _HEAD.size + length + _TAIL
            if start + end > size:
                break  # not written yet
            if length <= PASSED_OVER:
                if end > len(data):
                    break
                found.append(data[place + _HEAD.size : end])
            place = end
        self._offset = start + place
        return found

    def _length(self, head: bytes) -> int | None:
        """The length that a record's head tells; None where its checksum is wrong: behind it no record can be found."""
        length, stored = _HEAD.unpack(head)
        if mask(crc32c(head[:8])) != stored:
            return None
        if len(self._heads) < _MOST_KNOWN:
            self._heads[head] = length
        return int(length)

    def _rows(self, records: Sequence[bytes]) -> Iterator[Row]:
        bodies = [record[:-_TAIL] for record in records]
        stored = struct.unpack(f"<{len(records)}I", b"".join([record[-_TAIL:] for record in records]))
        tags = self._tags
        for data, crc, want in zip(bodies, crc32c_many(bodies), stored, strict=True):
            if mask(crc) != want:
                self.skipped += 1
                continue
            if len(data) > 20 and data[0] == 0x09 and data[9] == 0x10:
                step, at = data[10], 11
                if step > 0x7F:
                    step, at = protobuf.varint(data, 10)
                tag = tags.get(data[at:-4]) or self._plain_tag(data[at:-4])
                if tag is not None and step < 1 << 63:
                    yield Row(_DOUBLE_AT(data, 1)[0], step, {tag: _FLOAT_AT(data, len(data) - 4)[0]})
                    continue
            try:
                row = self._general(data)
            except protobuf.Malformed:
                self.skipped += 1
                continue
            if row is not None:
                yield row

    def _plain_tag(self, middle: bytes) -> str | None:
        """The tag, where exactly one number of four bytes follows; None for any other record."""
        found = _MIDDLE.fullmatch(middle)
        if found is None:
            return None
        outer, inner, length, raw = found.groups()
        size = len(raw)
        if length[0] != size or inner[0] != size + 7 or outer[0] != size + 9:
            return None
        tag = self._tag(raw)
        if len(self._tags) < _MOST_KNOWN:
            self._tags[middle] = tag
        return tag

    def _tag(self, raw: bytes) -> str:
        return self.prefix + raw.decode("utf-8", "replace")

    def _general(self, data: bytes) -> Row | None:
        """Any event; None where it holds no scalar."""
        t, step, values = None, 0, {}
        for number, wire, value in protobuf.fields(data):
            if number == 1 and wire == protobuf.FIXED64:
                t = protobuf.double(value)
            elif number == 2 and isinstance(value, int):
                step = protobuf.signed(value)
            elif number == 5:
                for inner, _, part in protobuf.fields(protobuf.message(value)):
                    if inner == 1:
                        values.update(self._value(protobuf.message(part)))
        return Row(t, step if step >= 0 else None, values) if values else None

    def _value(self, data: bytes) -> dict[str, float]:
        """Summary.Value: tag = 1, simple_value = 2, tensor = 8, metadata = 9."""
        tag, found, plugin = b"", None, ""
        for number, wire, value in protobuf.fields(data):
            if number == 1:
                tag = protobuf.message(value)
            elif number == 2 and wire == protobuf.FIXED32:
                found = protobuf.single(value)
            elif number == 8:
                found = tensor(protobuf.message(value))
            elif number == 9:
                plugin = _plugin(protobuf.message(value))
        return {self._tag(tag): found} if found is not None and plugin in ("", "scalars") else {}


def _plugin(data: bytes) -> str:
    """SummaryMetadata: plugin_data = 1, of which plugin_name = 1."""
    for number, _, value in protobuf.fields(data):
        if number == 1:
            for inner, _, name in protobuf.fields(protobuf.message(value)):
                if inner == 1:
                    return protobuf.text(name)
    return ""


_CONTENT = {_FLOAT: "<f", _DOUBLE: "<d", _INT32: "<i", _INT64: "<q", _HALF: "<e", _BFLOAT16: ""}
_LISTS = {5: "<f", 6: "<d"}  # float_val, double_val


def tensor(data: bytes) -> float | None:
    """The number of a TensorProto with one element: dtype = 1, tensor_content = 4, and a list for each dtype."""
    dtype, found = 0, None
    for number, wire, value in protobuf.fields(data):
        if number == 1 and isinstance(value, int):
            dtype = value
        elif number == 4 and isinstance(value, bytes):
            found = _content(dtype, value)
        elif number in _LISTS and isinstance(value, bytes):
            form = _LISTS[number]
            found = struct.unpack(form, value)[0] if len(value) == struct.calcsize(form) else None
        elif number in (7, 10, 13):  # int_val, int64_val, half_val; packed or not
            bits = value if wire == protobuf.VARINT else _only(protobuf.message(value))
            found = None if not isinstance(bits, int) else _of_bits(dtype, bits)
    return None if found is None else float(found)


def _content(dtype: int, data: bytes) -> float | None:
    form = _CONTENT.get(dtype)
    if dtype == _BFLOAT16 and len(data) == 2:
        return float(struct.unpack("<f", b"\0\0" + data)[0])
    if not form or len(data) != struct.calcsize(form):
        return None
    return float(struct.unpack(form, data)[0])


def _only(packed: bytes) -> int | None:
    bits, end = protobuf.varint(packed, 0) if packed else (None, 0)
    return bits if end == len(packed) else None


def _of_bits(dtype: int, bits: int) -> float | None:
    if dtype in (_HALF, _BFLOAT16):
        return _content(dtype, struct.pack("<H", bits & 0xFFFF))
    return float(protobuf.signed(bits))


class TensorBoardReader:
    """All event files at or below a path, merged by their times."""

    kind, source, counts_done = "TensorBoard events", "tensorboard", False
    ended: Ended | None = None

    def __init__(self, path: Path) -> None:
        self.path = path
        self._files: dict[Path, EventFile] = {}
        self._scan()

    def read(self) -> Sequence[Row] | None:
        self._scan()
        moved = False
        for file in self._files.values():
            if not file.ahead:
                moved = file.fill() or moved
        rows = list(islice(self._merged(), PORTION))
        return rows if rows or moved else None

    def _merged(self) -> Iterator[Row]:
        """Rows by time, until a file has to be read on."""
        waiting = [file.ahead for file in self._files.values() if file.ahead]
        while waiting:
            first = waiting[0] if len(waiting) == 1 else min(waiting, key=lambda ahead: ahead[0].t or 0.0)
            yield first.popleft()
            if not first:
                return

    def _scan(self) -> None:
        for path, prefix in event_files(self.path):
            if path not in self._files:
                self._files[path] = EventFile(path, prefix)

    def finish(self) -> Sequence[Row]:
        return ()

    @property
    def trouble(self) -> Sequence[str]:
        lines = [f"{text.clean(file.path.name)} {file.broken}" for file in self._files.values() if file.broken]
        skipped = sum(file.skipped for file in self._files.values())
        return lines + ([f"{text.plural(skipped, 'record')} could not be read: left out"] if skipped else [])


def event_files(path: Path) -> Iterator[tuple[Path, str]]:
    """(file, what goes in front of its tags), in a stable order; at most 1,000. Links to folders are not followed."""
    if path.is_file():
        yield path, ""
        return
    found = 0
    for folder, folders, names in os.walk(path):
        parts = Path(folder).relative_to(path).parts
        folders[:] = sorted(folders) if len(parts) < DEEPEST else []
        for name in sorted(names):
            if MARK in name and not name.startswith("."):
                found += 1
                if found > MOST_FILES:
                    return
                yield Path(folder, name), "/".join([*parts, ""]) if parts else ""
