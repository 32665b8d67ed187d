from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dlmon.record import output as output_module
from dlmon.record.output import OutputTail
from dlmon.record.terminal_text import LONGEST_FRAME

FORBIDDEN = re.compile("[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


def shown(tmp_path: Path, data: bytes) -> list[str]:
    (tmp_path / "output.log").write_bytes(data)
    tail = OutputTail(tmp_path)
    while tail.poll():
        pass
    return [*tail.lines, tail.partial]


@pytest.mark.parametrize(
    ("data", "lines"),
    [
        (b"one\r\ntwo\nthr", ["one", "two", "thr"]),
        (b"\x1b[1;31mred\x1b[0m plain\n", ["red plain", ""]),
        (b"\x1b]0;window title\x07text\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\\n", ["textlink", ""]),
        (b"\x1bP1$r0m\x1b\\dcs\xc2\x9b31mc1\xc2\x85\n", ["dcsc1", ""]),
        (b"\x1b(Bcharset\x1b7\x1b8\x1bc\n", ["charset", ""]),
        (b"10%\r20%\r30%\r\n", ["30%", ""]),
        (b"longer frame\rdone\x1b[K\n", ["done", ""]),
        (b"loading 1\b2\b3\n", ["loading 3", ""]),
        (b"ab\b \bc\n\b\bx\n", ["ac", "x", ""]),
        (b"a\tb\n", ["a       b", ""]),
        ("naïve 😀\n".encode(), ["naïve 😀", ""]),
        (b"caf\xe9 \xff\n", ["caf\ufffd \ufffd", ""]),
        (b"bell\x07 nul\x00 del\x7f\n", ["bell nul del", ""]),
        (b"broken \x1b[31\n\x1b]0;never closed\nnext\n", ["broken", "", "next", ""]),
        ("admin\u202egpj.exe\n".encode(), ["admingpj.exe", ""]),
        (b"[bold]markup stays text[/bold]\n", ["[bold]markup stays text[/bold]", ""]),
    ],
)
def test_lines_as_a_terminal_would_leave_them(tmp_path: Path, data: bytes, lines: list[str]) -> None:
    assert shown(tmp_path, data) == lines


def test_nested_bars_that_move_the_cursor_up_take_one_line(tmp_path: Path) -> None:
    frames = b"".join(b"\router %d%%\n\rinner %d%%\x1b[A" % (i, i) for i in range(50))
    lines = shown(tmp_path, b"start\n" + frames + b"\rend\n")
    assert lines[0] == "start" and len(lines) <= 4 and lines[-2].startswith("end")


def test_lines_keep_their_numbers(tmp_path: Path) -> None:
    (tmp_path / "output.log").write_bytes(b"".join(b"%d\n" % i for i in range(10)))
    tail = OutputTail(tmp_path, most_lines=4)
    assert tail.poll() and not tail.poll()
    assert (tail.count, list(tail.lines)) == (10, ["6", "7", "8", "9"])
    assert tail.since(8) == ["8", "9"] and tail.since(0) == ["6", "7", "8", "9"] and tail.since(10) == []


def test_output_grows_appears_late_and_starts_over(tmp_path: Path) -> None:
    tail = OutputTail(tmp_path)
    assert not tail.poll() and tail.partial == ""
    path = tmp_path / "output.log"
    path.write_bytes(b"hal")
    assert tail.poll() and tail.partial == "hal"
    path.write_bytes(b"half\nwhole\n")
    assert tail.poll() and list(tail.lines) == ["half", "whole"] and tail.partial == ""
    path.write_bytes(b"new\n")
    assert tail.poll() and tail.lines[-1] == "new"


def test_reading_can_stop_at_an_offset(tmp_path: Path) -> None:
    (tmp_path / "output.log").write_bytes(b"one\ntwo\n")
    tail = OutputTail(tmp_path)
    assert tail.poll(until=4) and list(tail.lines) == ["one"] and not tail.poll(until=4)
    assert tail.poll() and list(tail.lines) == ["one", "two"]


def test_a_flood_is_skipped_with_a_note(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(output_module, "KEPT_AT_JUMP", 100)
    (tmp_path / "output.log").write_bytes(b"".join(b"line %06d\n" % i for i in range(200_000)))
    tail = OutputTail(tmp_path, most_behind=1000)
    while tail.poll():
        pass
    assert tail.lines[0] == "… 2.4 MB skipped"
    assert tail.lines[-1] == "line 199999" and len(tail.lines) < 20


def test_nothing_is_skipped_where_everything_is_wanted(tmp_path: Path) -> None:
    (tmp_path / "output.log").write_bytes(b"x" * 2000 + b"\n" + b"y\n" * 6_000_000)
    tail = OutputTail(tmp_path, most_behind=None)
    while tail.poll():
        pass
    assert tail.count == 6_000_001


def test_an_endless_progress_line_stays_small_and_right(tmp_path: Path) -> None:
    path, tail = tmp_path / "output.log", OutputTail(tmp_path)
    for i in range(60):
        with path.open("ab") as file:
            file.write(b"".join(b"\r%5d/60000 %s" % (i * 1000 + j, b"#" * 40) for j in range(0, 1000, 5)))
        tail.poll()
    assert tail.partial == "59995/60000 " + "#" * 40
    assert len(tail._raw) <= LONGEST_FRAME and not tail.lines


def test_a_line_without_end_is_broken_not_kept(tmp_path: Path) -> None:
    (tmp_path / "output.log").write_bytes(b"x" * 300_000)
    tail = OutputTail(tmp_path)
    while tail.poll(most=50_000):
        pass
    assert len(tail._raw) <= LONGEST_FRAME and tail.lines and all(len(line) <= 4096 for line in tail.lines)


PIECES = st.lists(
    st.one_of(
        st.sampled_from(
            [b"\x1b[31m", b"\x1b[2K", b"\x1b[A", b"\x1b[3A", b"\x1b]0;t\x07", b"\x1b]8;;x\x1b\\", b"\x1bPq\x1b\\",
             b"\r", b"\n", b"\r\n", b"\b", b"\t", b"\x1b", b"\xc2\x9b", b"\xc2\x9d", b"\x00", b"\x01",
             "😀".encode(), "\u202e".encode(), b"\x1b[", b"text "]
        ),
        st.binary(max_size=12),
    ),
    max_size=30,
)  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(PIECES, st.data())
def test_nothing_dangerous_gets_out_however_it_is_cut(
    tmp_path_factory: object, pieces: list[bytes], data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("out")  # type: ignore[attr-defined]
    content = b"".join(pieces)
    whole = shown(folder, content)
    assert not any(FORBIDDEN.search(line) for line in whole)
    (folder / "output.log").unlink()
    tail, written = OutputTail(folder), 0
    while written < len(content):
        size = data.draw(st.integers(1, 7))
        with (folder / "output.log").open("ab") as file:
            file.write(content[written : written + size])
        written += size
        tail.poll()
        assert not FORBIDDEN.search(tail.partial)
    assert [*tail.lines, tail.partial] == whole
