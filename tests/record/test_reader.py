from __future__ import annotations

from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from dlmon.record.codec import encode_event
from dlmon.record.reader import RunReader, Tagged
from dlmon_probes import events


def heartbeat(t: float, step: int = 0) -> bytes:
    return encode_event(events.Heartbeat(t=t, step=step, phase="training", since=0.0))


def read_all(reader: RunReader, limit: int = 10_000) -> list[Tagged]:
    found: list[Tagged] = []
    while True:
        batch = reader.read(limit=limit, seconds=60.0)
        found += batch.events
        if not batch.more:
            return found


def test_logs_are_merged_by_time(tmp_path: Path) -> None:
    (tmp_path / "host.jsonl").write_bytes(heartbeat(1) + heartbeat(4) + heartbeat(9))
    (tmp_path / "rank0.jsonl").write_bytes(heartbeat(2) + heartbeat(3) + heartbeat(8))
    (tmp_path / "rank10-77.jsonl").write_bytes(heartbeat(0.5) + heartbeat(5))
    (tmp_path / "rankX.jsonl").write_bytes(heartbeat(0))
    (tmp_path / "notes.txt").write_bytes(b"mine")
    found = read_all(RunReader(tmp_path))
    assert [tagged.event.t for tagged in found] == [0.5, 1, 2, 3, 4, 5, 8, 9]
    assert [tagged.rank for tagged in found] == [10, -1, 0, 0, -1, 10, 0, -1]
    assert found[0].source == "rank10-77.jsonl"


def test_many_blocks_of_many_ranks_stay_in_order(tmp_path: Path) -> None:
    for rank in range(5):
        lines = b"".join(heartbeat(10 * i + rank, i) for i in range(4000))
        (tmp_path / f"rank{rank}.jsonl").write_bytes(lines)
    times = [tagged.event.t for tagged in read_all(RunReader(tmp_path), limit=777)]
    assert len(times) == 20_000 and times == sorted(times)


def test_reads_are_bounded_by_count(tmp_path: Path) -> None:
    (tmp_path / "rank0.jsonl").write_bytes(b"".join(heartbeat(i) for i in range(100)))
    reader = RunReader(tmp_path)
    first = reader.read(limit=30, seconds=60.0)
    assert len(first.events) == 30 and first.more
    assert len(reader.read(limit=200, seconds=60.0).events) == 70
    assert not reader.read(limit=200, seconds=60.0).more


def test_a_read_without_time_still_gets_somewhere(tmp_path: Path) -> None:
    (tmp_path / "rank0.jsonl").write_bytes(b"".join(heartbeat(i) for i in range(1000)))
    assert RunReader(tmp_path).read(limit=1000, seconds=0.0).events


def test_what_is_written_later_is_read_later(tmp_path: Path) -> None:
    reader = RunReader(tmp_path)
    assert reader.read().events == []
    log = tmp_path / "rank0.jsonl"
    log.write_bytes(heartbeat(1) + heartbeat(2)[:-9])
    assert [tagged.event.t for tagged in read_all(reader)] == [1]
    log.write_bytes(heartbeat(1) + heartbeat(2))
    assert [tagged.event.t for tagged in read_all(reader)] == [2]
    (tmp_path / "rank1.jsonl").write_bytes(heartbeat(3))
    assert [tagged.rank for tagged in read_all(reader)] == [1]


def test_corrupt_lines_are_counted_and_the_rest_is_read(tmp_path: Path) -> None:
    (tmp_path / "rank0.jsonl").write_bytes(heartbeat(1) + b"\x00\xff{nonsense\n" + b'{"k":"end"}\n' + heartbeat(2))
    reader = RunReader(tmp_path)
    assert [tagged.event.t for tagged in read_all(reader)] == [1, 2]
    assert reader.corrupt_lines == 2


def test_events_of_one_file_keep_their_order(tmp_path: Path) -> None:
    (tmp_path / "rank0.jsonl").write_bytes(heartbeat(5, 1) + heartbeat(4, 2) + heartbeat(6, 3))
    assert [tagged.event.step for tagged in read_all(RunReader(tmp_path))] == [1, 2, 3]


def test_a_folder_that_is_not_there_has_no_events(tmp_path: Path) -> None:
    assert read_all(RunReader(tmp_path / "missing")) == []


@settings(max_examples=40, deadline=None)
@given(st.lists(st.binary(max_size=200), max_size=10))
def test_no_content_raises(tmp_path_factory: object, parts: list[bytes]) -> None:
    folder = tmp_path_factory.mktemp("run")  # type: ignore[attr-defined]
    good = heartbeat(1)
    (folder / "rank0.jsonl").write_bytes(b"\n".join([*parts, b""]) + good)
    found = read_all(RunReader(folder))
    assert found and found[-1].event.t == 1
