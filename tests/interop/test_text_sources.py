"""CSV, JSON lines, trainer_state.json and .wandb files."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

from dlmon.errors import UserError
from dlmon.interop import open_source
from dlmon.interop.readers.csv import CsvReader
from dlmon.interop.readers.jsonl import JsonLinesReader
from dlmon.interop.readers.trainer_state import TrainerStateReader
from dlmon.interop.readers.wandb import WandbReader
from tests.interop.made import WANDB_HEADER, WANDB_RECORD, points, read_all, wandb_file, write

LIGHTNING = """epoch,step,train_loss,val_acc,val_loss
0,9,2.5,,
0,19,2.25,,
0,19,,0.5,2.125
1,29,nan,,
"""


def test_sparse_rows_of_lightning(tmp_path: Path) -> None:
    rows = read_all(CsvReader(write(tmp_path / "metrics.csv", LIGHTNING)))
    assert points(rows, "train_loss")[:2] == [(9, 2.5), (19, 2.25)]
    assert math.isnan(points(rows, "train_loss")[2][1])
    assert points(rows, "val_loss") == [(19, 2.125)]
    assert points(rows, "epoch") == [(9, 0.0), (19, 0.0), (19, 0.0), (29, 1.0)]


def test_a_last_row_without_a_newline_is_a_row(tmp_path: Path) -> None:
    rows = read_all(CsvReader(write(tmp_path / "a.csv", "epoch;loss\n1;0.5\n2;0.25")))
    assert points(rows, "loss") == [(1, 0.5), (2, 0.25)]


def test_without_a_step_rows_are_counted_and_times_are_taken(tmp_path: Path) -> None:
    text = 'time\t"loss, all"\tnote\n100\t1\tx\n101\t"2"\ty\n'
    rows = read_all(CsvReader(write(tmp_path / "a.tsv", text)))
    assert [(row.t, row.step, row.values) for row in rows] == [
        (100.0, 0, {"loss, all": 1.0}),
        (101.0, 1, {"loss, all": 2.0}),
    ]


def test_a_table_that_lightning_writes_anew_with_a_column_more(tmp_path: Path) -> None:
    path = write(tmp_path / "metrics.csv", "step,train_loss\n0,1.0\n1,0.5\n")
    reader = CsvReader(path)
    rows = read_all(reader)
    write(path, "step,train_loss,val_loss\n0,1.0,\n1,0.5,\n1,,0.75\n2,0.25,\n")
    rows += read_all(reader)
    assert points(rows, "train_loss") == [(0, 1.0), (1, 0.5), (2, 0.25)]
    assert points(rows, "val_loss") == [(1, 0.75)]


@pytest.mark.parametrize("text", ["1,2,3\n4,5,6\n", "step", " , \n"])
def test_a_table_without_a_heading_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(UserError, match="the first line names no columns"):
        CsvReader(write(tmp_path / "a.csv", text))


def test_rows_without_a_sane_step_are_left_out_and_counted(tmp_path: Path) -> None:
    text = "step,loss\n0,1\n1e300,2\n-5,3\nnan,4\ninf,5\n1.5,6\n\x1b[31m,7\n,8\n2,9\n"
    reader = CsvReader(write(tmp_path / "a.csv", text))
    assert points(read_all(reader), "loss") == [(0, 1.0), (None, 8.0), (2, 9.0)]  # without one: as the row before
    assert reader.trouble == ["6 rows left out, whose step is no whole number from 0 to 2^53 (the first: '1e300')"]


def test_columns_of_one_name_and_a_column_without(tmp_path: Path) -> None:
    reader = CsvReader(write(tmp_path / "a.csv", ",step,loss,loss,loss_2,loss\n7,1,2,3,4,5\n0,0,9,9,9,9\n"))
    first, _ = read_all(reader)
    assert first == (None, 1, {"column 1": 7.0, "loss": 2.0, "loss_3": 3.0, "loss_2": 4.0, "loss_4": 5.0})
    assert reader.trouble == [
        "two columns are called 'loss': the second is 'loss_3' here",
        "two columns are called 'loss': the second is 'loss_4' here",
        "the steps go back 1 time (first from 1 to 0): curves have both parts",
    ]


@pytest.mark.parametrize(
    ("rows", "values", "why"),
    [
        (["0;1,0000;x", "1;1,500;x"], [1.0, 1.5], ""),
        (["0;0,500;", "1;-2,5e-3;"], [0.5, -0.0025], ""),
        (["0;1,000", "1;2,000"], [], "2 numbers with a comma left out (the first: '1,000'): what it means is not clear "
         "(thousands or decimals)"),
        (["0;1,5", "1;2.5"], [2.5], "(others have a decimal point)"),
        (["0;1,234,567", "1;2"], [2.0], ""),
    ],
)  # fmt: skip
def test_a_comma_for_the_decimals(tmp_path: Path, rows: list[str], values: list[float], why: str) -> None:
    reader = CsvReader(write(tmp_path / "a.csv", "\n".join(["step;loss;note", *rows, ""])))
    assert [value for _, value in points(read_all(reader), "loss")] == values
    told = "; ".join(reader.trouble)
    assert why in told and bool(why) == bool(told)


def test_fractions_of_an_epoch_are_no_steps(tmp_path: Path) -> None:
    reader = CsvReader(write(tmp_path / "a.csv", "epoch,loss\n0,3\n0.5,2\n1,1\n"))
    rows = read_all(reader)
    assert points(rows, "loss") == [(0, 3.0), (1, 2.0), (2, 1.0)]
    assert points(rows, "epoch") == [(0, 0.0), (1, 0.5), (2, 1.0)]


def test_json_lines_of_all_kinds(tmp_path: Path) -> None:
    lines = [
        '{"step": 3, "loss": 1.5, "t": 7, "nested": {"a": 1, "deep": {"b": 2}}, "flag": true, "name": "x", "no": null}',
        '{"step": 4, "loss": NaN}',
        '{"step": 5, "loss": "-inf"}',
        "",
        "[1, 2]",
        '{"step": 6, "loss": 1' + "0" * 400 + "}",
        '{"step": 1e999, "loss": 2}',
        "{broken",
    ]
    reader = JsonLinesReader(write(tmp_path / "a.jsonl", "\n".join(lines)))
    rows = read_all(reader)
    assert rows[0] == (7.0, 3, {"loss": 1.5, "nested/a": 1.0, "nested/deep/b": 2.0})
    assert math.isnan(rows[1].values["loss"])
    assert points(rows, "loss")[2:] == [(5, -math.inf)]
    assert reader.trouble == [
        "2 lines left out: no JSON object, or too long",
        "1 row left out, whose step is no whole number from 0 to 2^53 (the first: 'inf')",
    ]


def test_json_lines_that_grow_in_pieces(tmp_path: Path) -> None:
    data = b"".join(b'{"step": %d, "loss": 0.5}\n' % step for step in range(50))
    path = write(tmp_path / "a.jsonl", data[:10])
    reader = JsonLinesReader(path)
    rows = []
    for end in range(10, len(data) + 1, 11):
        path.write_bytes(data[:end])
        while (found := reader.read()) is not None:
            rows += found
    path.write_bytes(data)
    rows += read_all(reader)
    assert points(rows, "loss") == [(step, 0.5) for step in range(50)]


def trainer_state(entries: int) -> str:
    history = [{"epoch": n / 10, "loss": 2.0 / n, "learning_rate": 1e-4, "step": 10 * n} for n in range(1, entries + 1)]
    history.append({"eval_loss": 0.5, "eval_accuracy": 0.75, "eval_runtime": 2.0, "step": 10 * entries})
    history.append({"train_runtime": 5.0, "train_loss": 1.0, "step": 10 * entries})
    return json.dumps({"log_history": history, "global_step": 10 * entries})


def test_a_trainer_state_and_the_one_of_the_next_checkpoint(tmp_path: Path) -> None:
    path = write(tmp_path / "trainer_state.json", '{"log_history": [{"loss": 2.0, "step": 10}]}')
    reader = TrainerStateReader(path)
    rows = read_all(reader)
    write(path, trainer_state(3))
    rows += read_all(reader)
    assert points(rows, "loss") == [(10, 2.0), (20, 1.0), (30, 2.0 / 3)]
    assert points(rows, "eval_loss") == [(30, 0.5)]
    assert points(rows, "summary/train_loss") == [(30, 1.0)]


@pytest.mark.parametrize(
    ("name", "text", "why"),
    [
        ("a.jsonl", "", "is empty"),
        ("a.csv", "", "is empty"),
        ("a.json", "", "is empty"),
        ("a.json", '[{"step": 1, "loss": 2}]', "it holds a list, not an object"),
        ("a.json", "3", "it holds one value, not an object"),
        ("a.json", '{"log_history": ', "it is no JSON, or not to its end"),
        ("a.jsonl", "[1]\n[2]\n", "no number could be read of this JSON lines; 2 lines left out: no JSON object"),
        ("trainer_state.json", '{"log_history": [1, {"step": "x", "loss": 2}]}', "the first: 'x'"),
    ],
)
def test_empty_and_other_json_is_one_clear_line(tmp_path: Path, name: str, text: str, why: str) -> None:
    with pytest.raises(UserError) as raised:
        open_source(write(tmp_path / name, text), tmp_path / "cache")
    assert why in str(raised.value) and "\n" not in str(raised.value)


@pytest.mark.parametrize("text", ["", "{", '{"log_history": 3}', "[" * 100_000])
def test_what_is_no_trainer_state_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(UserError, match="no list `log_history`"):
        read_all(TrainerStateReader(write(tmp_path / "trainer_state.json", text)))


def test_a_record_that_wandb_wrote(tmp_path: Path) -> None:
    reader = WandbReader(write(tmp_path / "run-1.wandb", WANDB_HEADER + WANDB_RECORD))
    (row,) = read_all(reader)
    assert (row.t, row.step) == (1795231063.5371306, 0)
    assert math.isnan(row.values["nan"])
    rest = {name: value for name, value in row.values.items() if name != "nan"}
    assert rest == {"train/loss": 1.0, "lr": 0.1, "nested/a": 0.0, "inf": math.inf}


def history(count: int, padding: int = 0) -> list[dict[str, str]]:
    return [{"_step": str(n), "_timestamp": str(1.7e9 + n), "loss": str(1 / (n + 1)), "pad": '"' + "x" * padding + '"'}
            for n in range(count)]  # fmt: skip


@pytest.mark.parametrize("padding", [0, 900, 32760 - 60, 100_000])
def test_records_over_block_ends(tmp_path: Path, padding: int) -> None:
    reader = WandbReader(write(tmp_path / "run.wandb", wandb_file(history(60, padding), exit_code=3)))
    assert points(read_all(reader), "loss") == [(n, 1 / (n + 1)) for n in range(60)]
    assert reader.ended is not None
    assert (reader.ended.code, reader.ended.seconds) == (3, 7.0)
    assert reader.trouble == []


def test_a_wandb_file_that_grows(tmp_path: Path) -> None:
    data = wandb_file(history(100, 900))
    path = write(tmp_path / "run.wandb", data[:7])
    reader = WandbReader(path)
    rows = []
    for end in range(7, len(data), 3001):
        path.write_bytes(data[:end])
        rows += read_all(reader)
    path.write_bytes(data)
    rows += read_all(reader)
    assert [step for step, _ in points(rows, "loss")] == list(range(100))


def test_a_damaged_block_costs_that_block(tmp_path: Path) -> None:
    data = bytearray(wandb_file(history(100, 900)))
    data[40_000] ^= 1  # in the second block of three
    reader = WandbReader(write(tmp_path / "run.wandb", bytes(data)))
    steps = [step for step, _ in points(read_all(reader), "loss")]
    assert len(steps) > 60
    assert {0, 20, 99} <= set(steps)
    assert "1 block of run.wandb" in reader.trouble[0]


def test_media_of_wandb_are_no_numbers(tmp_path: Path) -> None:
    row = {"loss": "0.5", "image": '{"_type": "image-file", "size": 12}', "table": '{"rows": {"n": 3}}'}
    (found,) = read_all(WandbReader(write(tmp_path / "run.wandb", wandb_file([row]))))
    assert found.values == {"loss": 0.5, "table/rows/n": 3.0}


def test_what_is_no_wandb_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="does not begin like one"):
        WandbReader(write(tmp_path / "run.wandb", b"PK\x03\x04........."))
