"""What happened when: looked up in the log, from a few bytes per block."""

from __future__ import annotations

from pathlib import Path

import pytest

from dlmon.record.codec import encode_event
from dlmon.record.reader import RunReader, sizes
from dlmon.record.tail import last_line, line_at
from dlmon.record.timeline import Timeline, last_time
from dlmon_probes import events
from tests.app import runs


def told(folder: Path) -> Timeline:
    timeline = Timeline(folder)
    for tagged in RunReader(folder).read(10**6, 60.0).events:
        timeline.note(tagged)
    return timeline


def test_every_step_is_found_at_the_time_it_was_done(tmp_path: Path) -> None:
    timeline = told(runs.training(tmp_path / "run", steps=300, block=7))
    for step in (0, 6, 7, 150, 299):
        assert timeline.time_of_step(step) == pytest.approx(runs.START + 1 + (step + 1) * 0.01)
    assert timeline.time_of_step(10**9) == pytest.approx(runs.START + 1 + 3.0)
    assert timeline.length == pytest.approx(4.5)


def test_the_lowest_rank_that_trains_leads(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    hello = [events.Hello(runs.START + 1, 1, "rank", 42, "node1")]
    runs.write(folder, "rank2.jsonl", [*hello, runs.steps_block(0, 10, 0.01)])
    runs.write(folder, "rank1.jsonl", [*hello, runs.steps_block(0, 10, 0.05)])
    runs.write(folder, "rank0.jsonl", hello)
    timeline = told(folder)
    assert timeline.leader == "rank1.jsonl"
    assert timeline.time_of_step(9) == pytest.approx(runs.START + 1 + 0.5)


def test_absurd_steps_and_a_changed_log_have_no_time(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    assert told(folder).time_of_step(3) is None
    runs.write(folder, "rank0.jsonl", [events.Steps(1.0, 10**40, [0.1], [None], [None], [None], [1], [None])])
    assert told(folder).time_of_step(3) is None
    (folder / "rank0.jsonl").unlink()
    runs.training(folder, steps=50)
    timeline = told(folder)
    (folder / "rank0.jsonl").write_bytes(b"{}\n" * 500)
    assert timeline.time_of_step(3) is None


def test_output_as_far_as_it_was_then(tmp_path: Path) -> None:
    timeline = told(runs.training(tmp_path / "run", steps=100))
    assert timeline.output_size(runs.START) == 0
    assert timeline.output_size(runs.START + 1 + 0.25) == len(b"step 25\r\n")
    assert timeline.output_size(1e12) == (tmp_path / "run" / "output.log").stat().st_size


def test_the_last_lines_tell_how_long_a_run_is_without_reading_it(tmp_path: Path) -> None:
    folder = runs.training(tmp_path / "run", steps=200)
    assert last_time(folder, sizes(folder)) == pytest.approx(runs.START + 3.5)
    with (folder / "host.jsonl").open("ab") as file:
        file.write(encode_event(events.Output(runs.START + 9, 1))[:-4])
    assert last_time(folder, sizes(folder)) == pytest.approx(runs.START + 3.5), "a torn line is not yet one"
    assert last_time(tmp_path / "missing", {"rank0.jsonl": 10}) is None


def test_single_lines_of_a_file(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(b"one\ntwo\nthr")
    assert line_at(path, 4) == b"two\n"
    assert line_at(path, 99) == line_at(tmp_path / "missing", 0) == b""
    assert last_line(path, 11) == b"two"
    assert last_line(path, 4) == b"one"
    assert last_line(path, 2) == last_line(tmp_path / "missing", 5) == b""
    assert last_line(path, 11, most=6) == b"", "its start is further back than may be read"
    assert last_line(path, 11, most=8) == b"two"
