from __future__ import annotations

import os
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from dlmon.record import tail as tail_module
from dlmon.record.tail import Tail


def test_a_torn_last_line_is_not_yet_a_line(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(b"one\ntw")
    tail = Tail(path)
    assert tail.read() == [b"one"]
    assert tail.read() == []
    with path.open("ab") as file:
        file.write(b"o\nthree\n")
    assert tail.read() == [b"two", b"three"]


def test_a_file_may_come_late(tmp_path: Path) -> None:
    tail = Tail(tmp_path / "log")
    assert tail.read() == [] and not tail.pending
    (tmp_path / "log").write_bytes(b"one\n")
    assert tail.pending and tail.read() == [b"one"] and not tail.pending


def test_a_truncated_or_replaced_file_is_read_from_its_start(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(b"one\ntwo\n")
    tail = Tail(path)
    assert tail.read() == [b"one", b"two"]
    os.truncate(path, 4)
    assert tail.read() == [b"one"]
    other = tmp_path / "other"
    other.write_bytes(b"new\nfile\nlonger\n")
    other.replace(path)
    assert tail.read() == [b"new", b"file", b"longer"]


def test_reads_are_bounded_and_long_lines_come_whole(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(b"ab\n" * 100 + b"x" * 5000 + b"\nend\n")
    tail = Tail(path)
    assert len(tail.read(block=30)) == 10
    lines = []
    while some := tail.read(block=30):
        lines += some
    assert lines[-2:] == [b"x" * 5000, b"end"] and len(lines) == 92


def test_an_endless_line_is_skipped_and_counted(tmp_path: Path, monkeypatch: object) -> None:
    monkeypatch.setattr(tail_module, "LONGEST_LINE", 1000)  # type: ignore[attr-defined]
    path = tmp_path / "log"
    path.write_bytes(b"one\n" + b"x" * 5000 + b"\nend\n")
    tail = Tail(path)
    lines = []
    for _ in range(100):
        lines += tail.read(block=64)
    assert lines == [b"one", b"end"] and tail.skipped == 1


@settings(max_examples=50, deadline=None)
@given(st.lists(st.binary(max_size=40).map(lambda b: b.replace(b"\n", b"")), max_size=20), st.data())
def test_however_it_grows_every_line_comes_once(
    tmp_path_factory: object, lines: list[bytes], data: st.DataObject
) -> None:
    path = tmp_path_factory.mktemp("tail") / "log"  # type: ignore[attr-defined]
    content = b"".join(line + b"\n" for line in lines)
    tail, got, written = Tail(path), [], 0
    while written < len(content):
        size = data.draw(st.integers(1, 60))
        with path.open("ab") as file:
            file.write(content[written : written + size])
        written += size
        while some := tail.read(block=data.draw(st.integers(1, 64))):
            got += some
    assert got == lines


def test_a_part_of_a_file_stays_the_same_part(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(b"one\ntwo\nthree\nfour\n")
    tail = Tail(path, offset=4, end=14)
    assert tail.read(block=5) == [b"two"] and tail.start == 4 and tail.offset == 8
    assert tail.read() == [b"three"] and tail.start == 8
    assert tail.read() == []
    os.truncate(path, 3)
    assert tail.read() == [], "what is gone is not read again from the start"
