"""TensorBoard event files: everything in them that is a scalar, and nothing that is not there."""

from __future__ import annotations

import math
import struct
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dlmon.interop import protobuf
from dlmon.interop.readers.tensorboard import PASSED_OVER, TensorBoardReader
from dlmon.interop.sources import recognise
from dlmon.interop.writers import tensorboard as writer
from tests.interop.made import START, event, event_file, points, read_all, summary_value, tf_record, write

NAME = "events.out.tfevents.1700000000.host.1.0"


def losses(count: int) -> list[tuple[int, dict[str, float]]]:
    return [(step, {"train/loss": 1 / (step + 1), "lr": 0.5}) for step in range(count)]


def test_all_points_come_with_their_steps_and_times(tmp_path: Path) -> None:
    write(tmp_path / NAME, event_file(losses(30_000)))
    rows = read_all(TensorBoardReader(tmp_path))
    expected = [(step, struct.unpack("<f", struct.pack("<f", 1 / (step + 1)))[0]) for step in range(30_000)]
    assert points(rows, "train/loss") == expected
    assert len(points(rows, "lr")) == 30_000
    assert rows[-1].t == START + 2999.9


FORMS = {
    "float": (
        summary_value("x", protobuf.put(8, b"\x08\x01" + protobuf.put(5, struct.pack("<f", 0.5))), "scalars"),
        0.5,
    ),
    "double": (summary_value("x", protobuf.put(8, b"\x08\x02" + protobuf.put(6, struct.pack("<d", 0.1)))), 0.1),
    "content": (summary_value("x", protobuf.put(8, b"\x08\x02" + protobuf.put(4, struct.pack("<d", 0.1)))), 0.1),
    "half": (summary_value("x", protobuf.put(8, b"\x08\x13\x68" + protobuf.put_varint(0x3800))), 0.5),
    "bfloat16": (summary_value("x", protobuf.put(8, b"\x08\x0e" + protobuf.put(13, protobuf.put_varint(0x3F00)))), 0.5),
    "int64": (summary_value("x", protobuf.put(8, b"\x08\x09" + protobuf.put(10, protobuf.put_varint(-3)))), -3.0),
    "node name first": (b"\x3a\x01n" + summary_value("x", b"\x15" + struct.pack("<f", 2.0)), 2.0),
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_a_scalar_is_read(tmp_path: Path, form: str) -> None:
    value, expected = FORMS[form]
    write(tmp_path / NAME, event(70_000, value))
    assert points(read_all(TensorBoardReader(tmp_path)), "x") == [(70_000, expected)]


def test_pictures_histograms_and_texts_are_passed_over(tmp_path: Path) -> None:
    histogram = summary_value("h", protobuf.put(5, b"\x09" + bytes(8)))
    text = summary_value("t", protobuf.put(8, b"\x08\x07" + protobuf.put(8, b"hello")), "text")
    images = summary_value("i", protobuf.put(8, b"\x08\x01" + protobuf.put(5, struct.pack("<f", 1.0))), "images")
    matrix = summary_value("m", protobuf.put(8, b"\x08\x01" + protobuf.put(5, struct.pack("<2f", 1, 2))))
    large = tf_record(b"\x09" + bytes(8) + protobuf.put(4, bytes(PASSED_OVER + 10)))
    data = b"".join(event(1, value) for value in (histogram, text, images, matrix)) + large
    write(tmp_path / NAME, data + event_file(losses(3)))
    reader = TensorBoardReader(tmp_path)
    rows = read_all(reader)
    assert {tag for row in rows for tag in row.values} == {"train/loss", "lr"}
    assert len(rows) == 6
    assert reader.trouble == []


def test_files_of_one_folder_are_one_run_and_subfolders_name_their_tags(tmp_path: Path) -> None:
    write(tmp_path / NAME, event_file(losses(3)))
    write(tmp_path / "events.out.tfevents.1700000009.host.2.0", event_file([(3, {"train/loss": 9.0})]))
    write(tmp_path / "val" / NAME, event_file([(1, {"loss": 7.0})]))
    rows = read_all(TensorBoardReader(tmp_path))
    assert [step for step, _ in points(rows, "train/loss")] == [0, 1, 2, 3]
    assert points(rows, "val/loss") == [(1, 7.0)]
    assert [row.t for row in rows] == sorted(row.t or 0 for row in rows)


def test_a_file_that_grows_is_read_on_and_new_files_are_found(tmp_path: Path) -> None:
    data = event_file(losses(20))
    path = write(tmp_path / NAME, data[:500])
    reader = TensorBoardReader(tmp_path)
    rows = read_all(reader)
    for end in range(500, len(data) + 1, 7):
        path.write_bytes(data[:end])
        rows += read_all(reader)
    path.write_bytes(data)
    write(tmp_path / "events.out.tfevents.1700000099.host.3.0", event_file([(20, {"train/loss": 0.0})]))
    rows += read_all(reader)
    assert [step for step, _ in points(rows, "train/loss")] == list(range(21))
    assert reader.trouble == []


@pytest.mark.parametrize("cut", range(0, 400, 13))
def test_a_truncated_file_gives_what_is_whole(tmp_path: Path, cut: int) -> None:
    data = event_file(losses(20))
    write(tmp_path / NAME, data[: len(data) - cut])
    whole = read_all(TensorBoardReader(write(tmp_path / "whole" / NAME, data)))
    reader = TensorBoardReader(tmp_path / NAME)
    rows = read_all(reader)
    assert rows == whole[: len(rows)]
    assert len(rows) >= len(whole) - 1 - cut // 40
    assert reader.trouble == []


def test_a_damaged_record_is_left_out_and_said(tmp_path: Path) -> None:
    data = bytearray(event_file(losses(20)))
    at = data.index(b"train/loss", 300)
    data[at] ^= 0xFF
    write(tmp_path / NAME, bytes(data))
    reader = TensorBoardReader(tmp_path)
    assert len(read_all(reader)) == 39
    assert reader.trouble == ["1 record could not be read: left out"]


def test_behind_a_damaged_length_nothing_can_be_found(tmp_path: Path) -> None:
    good, bad = event_file(losses(10)), bytearray(event_file(losses(10)))
    bad[3] ^= 0x40  # a length of some tebibytes
    write(tmp_path / NAME, good + bytes(bad))
    reader = TensorBoardReader(tmp_path)
    assert len(read_all(reader)) == 20
    (line,) = reader.trouble
    assert f"is damaged at byte {len(good):,}" in line


def test_a_huge_length_with_the_right_checksum_is_not_believed(tmp_path: Path) -> None:
    huge = tf_record(b"")[:0] + struct.pack("<Q", 1 << 60)
    head = huge + struct.pack("<I", writer.mask(writer.crc32c(huge)))
    write(tmp_path / NAME, event_file(losses(2)) + head + bytes(100))
    assert len(read_all(TensorBoardReader(tmp_path))) == 4


@settings(max_examples=60, deadline=None)
@given(st.lists(st.floats(width=32), min_size=1, max_size=30), st.integers(0, (1 << 53) - 1), st.text(max_size=40))
def test_what_is_written_is_read_again(
    tmp_path_factory: pytest.TempPathFactory, values: list[float], first: int, tag: str
) -> None:
    path = tmp_path_factory.mktemp("events") / NAME
    tag = tag.encode("utf-8", "replace").decode()
    write(path, event_file((first + at, {tag: value}) for at, value in enumerate(values)))
    found = points(read_all(TensorBoardReader(path)), tag)
    assert [step for step, _ in found] == [first + at for at in range(len(values))]
    assert all(a == b or (math.isnan(a) and math.isnan(b)) for (_, a), b in zip(found, values, strict=True))


def test_numbers_beyond_a_float_become_infinite(tmp_path: Path) -> None:
    write(tmp_path / NAME, event_file([(0, {"x": 1e300}), (1, {"x": -1e300})]))
    assert points(read_all(TensorBoardReader(tmp_path)), "x") == [(0, math.inf), (1, -math.inf)]


def test_a_folder_of_event_files_is_recognised(tmp_path: Path) -> None:
    assert recognise(tmp_path) is None
    write(tmp_path / "a" / "b" / NAME, event_file(losses(1)))
    found = recognise(tmp_path)
    assert found is not None
    assert found.form == "tensorboard"


def test_tensorboard_reads_what_we_write(tmp_path: Path) -> None:
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    write(tmp_path / NAME, event_file([*losses(300), (300, {"x": math.nan, "ü/y": 2.0})]))
    events = accumulator.EventAccumulator(str(tmp_path), {"scalars": 0})
    events.Reload()
    assert [(row.step, row.wall_time) for row in events.Scalars("train/loss")] == [
        (step, START + step / 10) for step in range(300)
    ]
    assert [row.value for row in events.Scalars("ü/y")] == [2.0]
    assert math.isnan(events.Scalars("x")[0].value)


def test_we_read_what_summary_writer_writes(tmp_path: Path) -> None:
    tensorboard = pytest.importorskip("torch.utils.tensorboard")
    logged = tensorboard.SummaryWriter(str(tmp_path))
    for step in range(200):
        logged.add_scalar("loss", step / 8, step)
    logged.add_scalar("new", 0.5, 3, new_style=True)
    logged.add_scalar("double", 0.1, 4, new_style=True, double_precision=True)
    logged.add_scalars("both", {"a": 1, "b": 2}, 5)
    logged.add_text("words", "hello", 1)
    logged.close()
    rows = read_all(TensorBoardReader(tmp_path))
    assert points(rows, "loss") == [(step, step / 8) for step in range(200)]
    assert points(rows, "new") == [(3, 0.5)]
    assert points(rows, "double") == [(4, 0.1)]
    assert points(rows, "both_a/both") == [(5, 1.0)]
    assert not any("words" in row.values for row in rows)
