"""The writing half of the log: nothing before the process trains, every number survives, forks are clean."""

import json
import math
import os
import threading
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dlmon_probes import events
from dlmon_probes.training.channel import Channel, encode


def failures() -> tuple[list[str], Channel]:
    seen: list[str] = []
    return seen, Channel(lambda probe, error: seen.append(f"{probe}: {error}"))


@given(st.lists(st.none() | st.floats(), min_size=1, max_size=20))
def test_numbers_survive_the_trip(values: list) -> None:
    count = len(values)
    block = events.Steps(
        1.0, 0, [0.0] * count, values, [0.0] * count, values, [1] * count, [None] * count, {"0": values}
    )
    back = msgspec.json.Decoder(events.Steps, strict=False).decode(encode(block))
    for column in (back.dt, back.lr, back.loss["0"]):
        assert len(column) == count
        for value, read in zip(values, column):
            same = read is None if value is None else (math.isnan(value) and math.isnan(read)) or value == read
            assert same


def test_the_kind_comes_first_and_lines_have_no_newline_inside() -> None:
    line = encode(events.ProbeError(1.0, "graph", "two\nlines \ud800"))
    assert line.startswith(b'{"k":"probe_error",')
    assert line.count(b"\n") == 1
    assert json.loads(line)["error"].startswith("two\nlines")


def test_nothing_is_written_before_open_and_everything_after(tmp_path) -> None:
    seen, channel = failures()
    channel.put(events.End(1.0, 1))
    channel.flush()
    assert list(tmp_path.iterdir()) == []
    channel.put_first(events.Phase(0.5, "training"))
    channel.open(str(tmp_path / "rank0.jsonl"))
    channel.stop()
    channel.flush()
    kinds = [json.loads(line)["k"] for line in (tmp_path / "rank0.jsonl").read_bytes().splitlines()]
    assert kinds == ["phase", "end"]
    assert (tmp_path / "rank0.jsonl").stat().st_mode & 0o777 == 0o600
    assert seen == []


def test_the_thread_writes_by_itself_and_is_not_seen_by_threading(tmp_path) -> None:
    written = threading.Event()
    _, channel = failures()
    before = threading.enumerate()
    channel.add_source("watch", written.set)
    channel.open(str(tmp_path / "rank0.jsonl"))
    assert written.wait(10)
    assert threading.enumerate() == before
    channel.stop()


def test_a_failing_source_is_reported_once_and_left_out(tmp_path) -> None:
    seen, channel = failures()

    def broken() -> None:
        raise ValueError("no")

    channel.add_source("memory", broken)
    channel.flush()
    channel.flush()
    assert seen == ["memory: no"]


def test_a_full_disk_ends_the_log_and_not_the_training(tmp_path) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("no /dev/full here")
    _, channel = failures()
    channel._fd = os.open("/dev/full", os.O_WRONLY)
    channel.put(events.End(1.0, 1))
    channel.flush()
    assert "No space left" in str(channel.lost)


def test_a_forked_child_owns_neither_file_nor_queue(tmp_path) -> None:
    _, channel = failures()
    channel.open(str(tmp_path / "rank0.jsonl"))
    channel.put(events.End(1.0, 1))
    channel.before_fork()
    channel.after_fork_in_child()
    assert not channel.is_open
    channel.put(events.End(2.0, 2))
    channel.flush()
    assert (tmp_path / "rank0.jsonl").stat().st_size == 0
