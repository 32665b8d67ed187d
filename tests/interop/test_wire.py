"""Checksums and the wire format."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dlmon.interop import protobuf
from dlmon.interop.crc import crc32c, crc32c_many, mask


@pytest.mark.parametrize(
    ("data", "crc"),
    [(b"123456789", 0xE3069283), (bytes(32), 0x8A9136AA), (b"\xff" * 32, 0x62A8AB43), (bytes(range(32)), 0x46DD794E)],
)
def test_crc32c_gives_the_published_values(data: bytes, crc: int) -> None:
    """RFC 3720, B.4, and the check value of the CRC catalogue."""
    assert crc32c(data) == crc
    assert crc32c_many([data] * 20) == [crc] * 20


@given(st.lists(st.binary(max_size=70), max_size=40), st.binary(min_size=1, max_size=40))
def test_many_checksums_are_those_of_each(others: list[bytes], repeated: bytes) -> None:
    strings = [*others, *(bytes([n]) + repeated for n in range(20))]
    assert crc32c_many(strings) == [crc32c(data) for data in strings]


def test_long_strings_are_not_taken_by_columns() -> None:
    strings = [bytes([n]) * 2000 for n in range(20)]
    assert crc32c_many(strings) == [crc32c(data) for data in strings]


def test_the_mask_is_that_of_tfrecord() -> None:
    assert mask(crc32c(b"\x18" + bytes(7))) == int.from_bytes(bytes.fromhex("a37f4b22"), "little")  # a length of 24


@given(st.integers(-(1 << 63), (1 << 63) - 1))
def test_a_number_survives_as_varint(value: int) -> None:
    data = protobuf.put_varint(value)
    read, end = protobuf.varint(data, 0)
    assert (protobuf.signed(read), end) == (value, len(data))


@pytest.mark.parametrize(
    "data", [b"\x80" * 12, b"\x0a\x05ab", b"\x09abc", b"\x0b", b"\x0a\xff\xff\xff\xff\xff\xff\xff\x7f"]
)
def test_what_is_no_message_is_said_to_be_none(data: bytes) -> None:
    with pytest.raises(protobuf.Malformed):
        list(protobuf.fields(data))
