"""Logs of other tools, made for tests: whole files as bytes."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from dlmon.interop import protobuf
from dlmon.interop.crc import crc32c, mask
from dlmon.interop.rows import Reader, Row
from dlmon.interop.writers.tensorboard import EventWriter
from dlmon.state.snapshot import RunSnapshot, SeriesView
from dlmon.view import RunFollower

START = 1_700_000_000.0

# The first bytes, and the first history record, of a file that W&B 0.31 wrote offline.
WANDB_HEADER = bytes.fromhex("3a572642e1be00")
WANDB_RECORD = bytes.fromhex(
    "d0047acdb20001080a12ad010a10120a747261696e2f6c6f7373820101310a0a12026c72820103302e310a0f12066e657374656412016182"
    "0101300a101203696e66820108496e66696e6974790a0d120474657874820104226869220a1812085f72756e74696d6582010b302e313635"
    "3533383637380a0b12055f73746570820101300a0b12036e616e8201034e614e0a25120a5f74696d657374616d70820116312e3739353233"
    "3130363335333731333036652b30391200"
)


def event_file(rows: Iterable[tuple[int, Mapping[str, float]]]) -> bytes:
    """TensorBoard events, one step each tenth of a second."""
    file = io.BytesIO()
    writer = EventWriter(file, START)
    for step, values in rows:
        writer.add(START + step / 10, step, values)
    writer.flush()
    return file.getvalue()


def tf_record(data: bytes) -> bytes:
    length = struct.pack("<Q", len(data))
    return length + struct.pack("<I", mask(crc32c(length))) + data + struct.pack("<I", mask(crc32c(data)))


def event(step: int, value: bytes) -> bytes:
    """An event with one Summary.Value."""
    head = b"\x09" + struct.pack("<d", START) + b"\x10" + protobuf.put_varint(step)
    return tf_record(head + protobuf.put(5, protobuf.put(1, value)))


def summary_value(tag: str, further: bytes, plugin: str = "") -> bytes:
    metadata = protobuf.put(9, protobuf.put(1, protobuf.put(1, plugin.encode()))) if plugin else b""
    return protobuf.put(1, tag.encode()) + further + metadata


def wandb_file(rows: Sequence[Mapping[str, str]], exit_code: int | None = None) -> bytes:
    """A .wandb file; values as JSON text, by key."""
    records = []
    for row in rows:
        items = [protobuf.put(2, key.encode()) + protobuf.put(16, value.encode()) for key, value in row.items()]
        records.append(protobuf.put(2, b"".join(protobuf.put(1, item) for item in items)))
    if exit_code is not None:
        records.append(protobuf.put(18, b"\x08" + protobuf.put_varint(exit_code) + b"\x10\x07"))
    return frame_wandb(records)


def frame_wandb(records: Iterable[bytes]) -> bytes:
    """LevelDB's framing: blocks of 32 KiB, records split where they do not fit."""
    out = bytearray(WANDB_HEADER)
    for record in records:
        first = True
        while True:
            room = 32768 - len(out) % 32768
            if room < 7:
                out += bytes(room)
                continue
            part, record = record[: room - 7], record[room - 7 :]
            kind = (1 if first else 4) if not record else (2 if first else 3)
            out += struct.pack("<IHB", zlib.crc32(bytes([kind]) + part), len(part), kind) + part
            first = False
            if not record:
                break
    return bytes(out)


def write(path: Path, data: bytes | str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    return path


def read_all(reader: Reader) -> list[Row]:
    """Everything a reader has to give."""
    rows: list[Row] = []
    while (found := reader.read()) is not None:
        rows += found
    return [*rows, *reader.finish()]


def points(rows: Iterable[Row], tag: str) -> list[tuple[int | None, float]]:
    return [(row.step, row.values[tag]) for row in rows if tag in row.values]


def snapshot(folder: Path) -> RunSnapshot:
    """What a screen would show of a run folder."""
    follower = RunFollower(folder)
    while follower.advance():
        pass
    return follower.view().snapshot


def series(shown: RunSnapshot, name: str, source: str = "loss") -> SeriesView:
    """The line of that name. Fails with what there is instead."""
    for line in shown.series:
        if (line.name, line.source) == (name, source):
            return line
    raise AssertionError(f"no {source} {name!r} among {[(line.name, line.source) for line in shown.series]}")
