"""As much of protocol buffers' wire format as logs need: fields of a message, one after the other.

Source: https://protobuf.dev/programming-guides/encoding/. Every length is checked against the bytes that are there.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Union

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
Value = Union[int, bytes]

_LONGEST_VARINT = 10


class Malformed(ValueError):
    """The bytes are not a message."""


def fields(data: bytes) -> Iterator[tuple[int, int, Value]]:
    """(field number, wire type, value): an int for VARINT, else bytes (8, 4, or as long as the field is).

    Raises Malformed.
    """
    place, size = 0, len(data)
    while place < size:
        key, place = varint(data, place)
        number, wire = key >> 3, key & 7
        if wire == VARINT:
            value, place = varint(data, place)
            yield number, wire, value
            continue
        if wire == BYTES:
            length, place = varint(data, place)
        elif wire == FIXED64:
            length = 8
        elif wire == FIXED32:
            length = 4
        else:
            raise Malformed(f"wire type {wire}")
        if not number or place + length > size:
            raise Malformed("a field reaches over the end")
        yield number, wire, data[place : place + length]
        place += length


def varint(data: bytes, place: int) -> tuple[int, int]:
    """The number at `place`, and the place after it. Raises Malformed."""
    value = shift = 0
    for byte in data[place : place + _LONGEST_VARINT]:
        place += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value & 0xFFFFFFFFFFFFFFFF, place
        shift += 7
    raise Malformed("a number without an end")


def signed(value: int) -> int:
    """An int64 from its two's complement."""
    return value - (1 << 64) if value >= 1 << 63 else value


def text(value: Value) -> str:
    """A string field; what is no UTF-8 comes out with replacement signs."""
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else ""


def message(value: Value) -> bytes:
    """A nested message. Raises Malformed where the field is a number."""
    if not isinstance(value, bytes):
        raise Malformed("a number where a message should be")
    return value


def double(value: Value) -> float:
    """A double field. Raises Malformed for another size."""
    if not isinstance(value, bytes) or len(value) != 8:
        raise Malformed("no double")
    return float(struct.unpack("<d", value)[0])


def single(value: Value) -> float:
    """A float field. Raises Malformed for another size."""
    if not isinstance(value, bytes) or len(value) != 4:
        raise Malformed("no float")
    return float(struct.unpack("<f", value)[0])


# ---------------------------------------------------------------- writing


def put_varint(value: int) -> bytes:
    """A number of at most 64 bits; negative ones as two's complement."""
    value &= 0xFFFFFFFFFFFFFFFF
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def put(number: int, data: bytes) -> bytes:
    """A length-delimited field: a string, bytes or a message."""
    return put_varint(number << 3 | BYTES) + put_varint(len(data)) + data
