"""What the supervisor writes, on disks that are full or were left in the middle of a line."""

from __future__ import annotations

from pathlib import Path

import pytest

from dlmon.launch.recorder import EventLog, OutputLog
from dlmon_probes.events import Phase
from tests.support import events, of_kind


def test_a_full_disk_stops_the_record_not_the_supervisor(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "output.log").symlink_to("/dev/full")
    output = OutputLog(tmp_path, EventLog(tmp_path))
    for _ in range(3):
        output.write(b"x" * 1000)
    assert output.offset == 0
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 1
    assert "output.log cannot be written any more" in said[0]


def test_output_events_tell_the_length_and_not_too_often(tmp_path: Path) -> None:
    output = OutputLog(tmp_path, EventLog(tmp_path))
    assert output.due() is None
    for now in (0.0, 0.1, 0.2, 0.3):
        output.write(b"1234")
        output.tell(now)
    output.write(b"5")
    output.tell(0.4, at_once=True)
    output.tell(9.0)
    assert [row["offset"] for row in of_kind(events(tmp_path), "output")] == [4, 16, 17]
    assert (tmp_path / "output.log").read_bytes() == b"1234" * 4 + b"5"


def test_who_takes_over_begins_a_new_line_and_goes_on_with_the_output(tmp_path: Path) -> None:
    """The supervisor before was killed while it wrote."""
    log = EventLog(tmp_path)
    log.write(Phase(1.0, "python"))
    with (tmp_path / "host.jsonl").open("ab") as file:
        file.write(b'{"k":"output","t":2.0,"off')
    (tmp_path / "output.log").write_bytes(b"before ")
    second = EventLog(tmp_path)
    output = OutputLog(tmp_path, second)
    output.write(b"after")
    output.tell(0.0)
    lines = (tmp_path / "host.jsonl").read_bytes().splitlines()
    assert len(lines) == 3
    assert b'"offset":12' in lines[2]
    assert (tmp_path / "output.log").read_bytes() == b"before after"
