"""What screens write and the supervisor reads."""

from __future__ import annotations

import json
import os
import threading
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dlmon.errors import UserError
from dlmon.launch import requests


@pytest.fixture
def inbox(tmp_path: Path) -> requests.Inbox:
    fd = requests.create(tmp_path)
    assert fd is not None
    return requests.Inbox(fd)


def test_requests_arrive_as_they_were_sent(tmp_path: Path, inbox: requests.Inbox) -> None:
    requests.stop(tmp_path, grace=2.5, by="a test")
    requests.send_signal(tmp_path, "USR1")
    requests.resize(tmp_path, 48, 160)
    requests.type_input(tmp_path, b"c\n\x03\xff")
    assert inbox.read() == [
        {"op": "stop", "grace": 2.5, "by": "a test"},
        {"op": "signal", "signal": "USR1", "by": "the screen"},
        {"op": "resize", "rows": 48, "columns": 160},
        {"op": "type", "data": b"c\n\x03\xff"},
    ]
    assert inbox.read() == []


def test_a_request_in_two_pieces_is_read_once_it_is_whole(inbox: requests.Inbox) -> None:
    os.write(inbox.fd, b'{"op":"stop","gr')
    assert inbox.read() == []
    os.write(inbox.fd, b'ace":1}\n')
    assert [request["op"] for request in inbox.read()] == ["stop"]


def test_many_screens_at_once_do_not_mix_their_requests(tmp_path: Path, inbox: requests.Inbox) -> None:
    def screen(number: int) -> None:
        for _ in range(20):
            requests.type_input(tmp_path, b"%d" % number * 100)

    screens = [threading.Thread(target=screen, args=(number,)) for number in range(4)]
    for thread in screens:
        thread.start()
    for thread in screens:
        thread.join()
    typed = [request["data"] for request in inbox.read()]
    assert sorted(typed) == sorted(b"%d" % number * 100 for number in range(4) for _ in range(20))


def test_long_input_is_typed_in_parts(tmp_path: Path, inbox: requests.Inbox) -> None:
    text = bytes(range(256)) * 30
    requests.type_input(tmp_path, text)
    assert b"".join(request["data"] for request in inbox.read()) == text


def test_a_run_that_nobody_supervises_says_so(tmp_path: Path, inbox: requests.Inbox) -> None:
    assert requests.supervised(tmp_path)
    os.close(inbox.fd)
    assert not requests.supervised(tmp_path)
    with pytest.raises(UserError, match="not supervised any more"):
        requests.stop(tmp_path)


def test_a_file_in_the_pipes_place_is_no_supervisor(tmp_path: Path) -> None:
    (tmp_path / requests.NAME).write_text("")
    assert not requests.supervised(tmp_path)


UNHURRIED = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])


@UNHURRIED
@given(st.binary(max_size=200))
def test_bytes_that_are_no_request_are_dropped(line: bytes) -> None:
    assert requests.parse(line) is None or line.strip().startswith(b"{")


@UNHURRIED
@given(
    st.dictionaries(
        st.sampled_from(["op", "grace", "signal", "rows", "columns", "data", "by"]),
        st.sampled_from(["stop", "signal", "resize", "type"]) | st.integers() | st.floats() | st.text() | st.none(),
    )
)
def test_whatever_is_asked_for_comes_out_checked_or_not_at_all(row: dict[str, object]) -> None:
    request = requests.parse(json.dumps(row).encode())
    if request is None:
        return
    assert request["op"] == row["op"]
    if request["op"] == "stop":
        assert 0 <= request["grace"] <= 3600
    if request["op"] == "resize":
        assert 0 < request["rows"] < 10_000
