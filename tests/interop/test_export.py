"""Export: full resolution, whole files or none, and the same numbers when they are read again."""

from __future__ import annotations

import io
import json
import math
import struct
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dlmon.commands.export import Wanted, export
from dlmon.errors import UserError
from dlmon.interop import open_source
from dlmon.interop.mirror import mirror
from dlmon.interop.readers.tensorboard import TensorBoardReader
from dlmon.interop.writers import asciicast, csv, files, jsonl
from dlmon.interop.writers import table as table_module
from dlmon.interop.writers.table import Table
from dlmon.interop.writers.window import WINDOW, TableRow, Window
from dlmon.record.manifest import Manifest, Outcome, write_manifest
from dlmon_probes import events
from tests.app import runs
from tests.builders import Story
from tests.interop.made import read_all

STARTS = runs.START


def a_run(folder: Path, steps: int = 40) -> Path:
    """Losses, one of them not a number, evaluations, scalars of a logger, one of which is called like the loss."""
    story = Story().series(0, "loss").series(1, "aux").model({"w": [2]})
    for step in range(steps):
        value = math.nan if step == 7 else 1 / (step + 3)
        story.losses([value], lr=[0.1 / (step + 1)])
        rows = [events.ScalarRow("temperature", step / 7, step), events.ScalarRow("loss", step / 3, step)]
        story.add(events.Scalars(story.now, "wandb", step, rows))
        if step % 10 == 9:
            story.add(events.Evaluation(story.now, step, 2, 16, 0.1, loader=1, loss=1 / 7, accuracy=0.5))
    story.exit(0).write(folder)
    write_manifest(folder, Manifest(folder.name, created=STARTS))
    return folder


def rows_of(folder: Path) -> list[TableRow]:
    return list(Table(folder).rows())


def same(left: Mapping[str, float], right: Mapping[str, float]) -> bool:
    """Bit for bit, NaN included."""
    return left.keys() == right.keys() and all(
        struct.pack("<d", left[name]) == struct.pack("<d", right[name]) for name in left
    )


def test_the_table_has_a_row_for_each_step(tmp_path: Path) -> None:
    table = Table(a_run(tmp_path / "run"))
    assert table.columns() == [
        "loss", "lr", "step_seconds", "wait_seconds", "samples", "val_loss", "val_accuracy", "temperature",
        "wandb/loss",
    ]  # fmt: skip
    rows = list(table.rows())
    assert [row.step for row in rows] == list(range(40))
    assert rows[9].values == {
        "loss": 1 / 12, "lr": 0.1 / 10, "step_seconds": 0.1, "wait_seconds": 0.01, "samples": 32, "temperature": 9 / 7,
        "wandb/loss": 3.0, "val_loss": 1 / 7, "val_accuracy": 0.5,
    }  # fmt: skip
    assert math.isnan(rows[7].values["loss"])


def test_only_the_leading_process_is_exported(tmp_path: Path) -> None:
    folder = a_run(tmp_path / "run", steps=5)
    Story(rank=1).series().losses([9.0] * 50).write(folder)
    assert len(rows_of(folder)) == 5


@pytest.mark.parametrize("form", ["csv", "jsonl"])
def test_what_is_exported_and_imported_is_the_same_bit_for_bit(tmp_path: Path, form: str) -> None:
    folder = a_run(tmp_path / "run")
    target = tmp_path / f"out.{form}"
    export(str(folder), tmp_path, Wanted(**{form: str(target)}))
    imported = open_source(target, tmp_path / "cache")
    assert imported is not None
    before, after = rows_of(folder), rows_of(imported)
    assert [(row.step, row.t) for row in after] == [(row.step, row.t) for row in before]
    for left, right in zip(before, after, strict=True):
        assert same(left.values, right.values), (left, right)


def test_a_round_trip_through_tensorboard_keeps_every_float32(tmp_path: Path) -> None:
    folder = a_run(tmp_path / "run")
    export(str(folder), tmp_path, Wanted(tensorboard=str(tmp_path / "tb")))
    imported = open_source(tmp_path / "tb", tmp_path / "cache")
    assert imported is not None

    def float32(values: Mapping[str, float]) -> dict[str, float]:
        return {name: struct.unpack("<f", struct.pack("<f", value))[0] for name, value in values.items()}

    before, after = rows_of(folder), rows_of(imported)
    assert [(row.step, row.t) for row in after] == [(row.step, row.t) for row in before]
    for left, right in zip(before, after, strict=True):
        assert same(float32(left.values), right.values), (left, right)
    again = tmp_path / "again"
    export(str(imported), tmp_path, Wanted(tensorboard=str(again)))
    (first,), (second,) = (sorted(folder.iterdir()) for folder in (tmp_path / "tb", again))
    assert read_numbers(first) == read_numbers(second)


def read_numbers(path: Path) -> list[tuple[int | None, str]]:
    return sorted((row.step, str(dict(row.values))) for row in read_all(TensorBoardReader(path)))


numbers = st.dictionaries(st.sampled_from(["a", "b", 'q"uo,te', "ü/x"]), st.floats(), min_size=1)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.floats(1e9, 2e9), numbers), max_size=20))
def test_any_number_survives_csv_and_json_lines(
    tmp_path_factory: pytest.TempPathFactory, given_rows: list[tuple[float, dict[str, float]]]
) -> None:
    from dlmon.interop.readers.csv import CsvReader
    from dlmon.interop.readers.jsonl import JsonLinesReader

    folder = tmp_path_factory.mktemp("numbers")
    rows = [TableRow(step, t, values) for step, (t, values) in enumerate(given_rows)]
    columns = ["a", "b", 'q"uo,te', "ü/x"]
    with (folder / "a.csv").open("wb") as file:
        csv.write(rows, columns, file)
    with (folder / "a.jsonl").open("wb") as file:
        jsonl.write(rows, file)
    for reader in (CsvReader(folder / "a.csv"), JsonLinesReader(folder / "a.jsonl")):
        found = read_all(reader)  # type: ignore[arg-type]
        assert [(row.step, row.t) for row in found] == [(row.step, row.t) for row in rows]
        for left, right in zip(rows, found, strict=True):
            assert {name: str(value) for name, value in left.values.items()} == {
                name: str(value) for name, value in right.values.items()
            }


def test_parquet_has_the_same_table(tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    folder = a_run(tmp_path / "run")
    export(str(folder), tmp_path, Wanted(parquet=str(tmp_path / "a.parquet")))
    table = parquet.read_table(tmp_path / "a.parquet")
    assert table.column_names == ["step", "time", *Table(folder).columns()]
    for row, found in zip(rows_of(folder), table.to_pylist(), strict=True):
        present = {name: value for name, value in found.items() if value is not None and name not in ("step", "time")}
        assert (found["step"], found["time"]) == (row.step, row.t)
        assert same({name: float(value) for name, value in row.values.items()}, present)


def test_few_rows_wait_in_memory_however_long_the_log_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = runs.training(tmp_path / "run", steps=20_000)
    most = 0

    class Counting(Window):
        def takes(self, row: TableRow) -> bool:
            nonlocal most
            most = max(most, len(self.held))
            return super().takes(row)

    monkeypatch.setattr(table_module, "Window", Counting)
    assert [row.step for row in Table(folder).rows()] == list(range(20_000))
    assert WINDOW < most <= 2 * WINDOW


def test_a_scalar_that_comes_much_later_stands_in_the_row_of_its_step(tmp_path: Path) -> None:
    story = Story().series().losses([0.5] * 20_000)
    for step, value in ((3, 1.0), (7, 2.0), (3, 3.0)):
        story.add(events.Scalars(story.now, "wandb", step, [events.ScalarRow("late", value, step)]))
    rows = rows_of(story.write(tmp_path / "run"))
    assert [row.step for row in rows] == list(range(20_000))
    assert [(row.step, row.values["loss"], row.values["late"]) for row in rows if "late" in row.values] == [
        (3, 0.5, 3.0), (7, 0.5, 2.0)
    ]  # fmt: skip


def test_two_runs_one_after_the_other_become_one_table_by_step(tmp_path: Path) -> None:
    """Of a TensorBoard folder: the second one begins at step 0 again, and has steps that the first one has not."""
    path = tmp_path / "a.jsonl"
    lines = [json.dumps({"step": 2 * n, "a": n, "nan": math.nan}) for n in range(10_000)]
    lines += [json.dumps({"step": 3 * n, "b": n}) for n in range(5_000)]
    path.write_text("\n".join(lines) + "\n")
    imported = open_source(path, tmp_path / "cache")
    assert imported is not None
    rows = rows_of(imported)
    steps = sorted({2 * n for n in range(10_000)} | {3 * n for n in range(5_000)})
    assert [row.step for row in rows] == steps
    assert [row.values["b"] for row in rows if "b" in row.values] == [float(n) for n in range(5_000)]
    assert [row.values["a"] for row in rows if "a" in row.values] == [float(n) for n in range(10_000)]
    assert sum(math.isnan(row.values.get("nan", 0.0)) for row in rows) == 10_000


class TestTargets:
    def test_what_is_there_is_not_overwritten(self, tmp_path: Path) -> None:
        folder = a_run(tmp_path / "run")
        target = tmp_path / "a.csv"
        target.write_text("mine")
        with pytest.raises(UserError, match="is there already"):
            export(str(folder), tmp_path, Wanted(csv=str(target)))
        assert target.read_text() == "mine"

    def test_a_folder_with_event_files_is_not_written_to(self, tmp_path: Path) -> None:
        folder = a_run(tmp_path / "run")
        export(str(folder), tmp_path, Wanted(tensorboard=str(tmp_path / "tb")))
        with pytest.raises(UserError, match="holds event files already"):
            export(str(folder), tmp_path, Wanted(tensorboard=str(tmp_path / "tb")))

    def test_a_failure_leaves_nothing_behind(self, tmp_path: Path) -> None:
        with pytest.raises(RuntimeError), files.target(str(tmp_path / "a.csv")) as file:
            file.write(b"half")
            raise RuntimeError
        assert list(tmp_path.iterdir()) == []

    def test_something_that_came_up_meanwhile_is_kept(self, tmp_path: Path) -> None:
        target = tmp_path / "a.csv"
        with pytest.raises(UserError, match="is there already"), files.target(str(target)) as file:
            file.write(b"ours")
            target.write_text("theirs")
        assert target.read_text() == "theirs"
        assert list(tmp_path.iterdir()) == [target]

    def test_a_folder_that_is_not_there_is_one_clear_line(self, tmp_path: Path) -> None:
        with pytest.raises(UserError, match=r"cannot write .*no such file"):
            export(str(a_run(tmp_path / "run")), tmp_path, Wanted(csv=str(tmp_path / "no" / "a.csv")))

    @pytest.mark.parametrize(
        ("wanted", "message"),
        [
            (Wanted(), "say what to write"),
            (Wanted(csv="-", jsonl="-"), "only one form"),
            (Wanted(tensorboard="-"), "needs a folder"),
        ],
    )
    def test_a_wish_that_cannot_be_met_is_said_before_reading(self, wanted: Wanted, message: str) -> None:
        with pytest.raises(UserError, match=message):
            export("nothing", Path("nowhere"), wanted)

    def test_without_pyarrow_a_line_says_what_to_do(self, monkeypatch: pytest.MonkeyPatch) -> None:
        import sys

        monkeypatch.setitem(sys.modules, "pyarrow", None)
        with pytest.raises(UserError, match=r"pip install 'dlmon\[parquet\]'"):
            export("nothing", Path("nowhere"), Wanted(parquet="a.parquet"))

    def test_a_name_that_a_spreadsheet_would_compute_is_quoted(self) -> None:
        file = io.BytesIO()
        csv.write([], ["=cmd()", "loss"], file)
        assert file.getvalue() == b"step,time,'=cmd(),loss\n"


class TestAsciicast:
    def cast(self, folder: Path) -> tuple[dict[str, object], list[list[object]]]:
        file = io.BytesIO()
        asciicast.write(folder, file)
        header, *lines = (json.loads(line) for line in file.getvalue().splitlines())
        return header, lines

    def test_the_output_comes_at_its_times(self, tmp_path: Path) -> None:
        folder = runs.training(tmp_path / "run", steps=100)
        header, lines = self.cast(folder)
        assert header["version"] == 2
        assert (header["width"], header["height"]) == (80, 24)
        assert lines == [
            [0.0, "o", "step 25\r\n"], [0.25, "o", "step 50\r\n"], [0.5, "o", "step 75\r\n"],
            [0.75, "o", "step 100\r\n"],
        ]  # fmt: skip

    def test_a_letter_over_two_reads_and_what_was_printed_after_the_last_look(self, tmp_path: Path) -> None:
        folder = Story().write(tmp_path / "run")
        text = "ü\x1b[31m€\r\nrest"
        data = text.encode()
        (folder / "output.log").write_bytes(data)
        runs.write(folder, "host.jsonl", [events.Output(STARTS + 1, 1), events.Output(STARTS + 2, len(data) - 4)])
        _, lines = self.cast(folder)
        assert "".join(str(line[2]) for line in lines) == text
        times = [float(str(line[0])) for line in lines]
        assert times == sorted(times)

    def test_a_run_without_output_is_an_empty_recording(self, tmp_path: Path) -> None:
        header, lines = self.cast(Story().write(tmp_path / "run"))
        assert (header["version"], lines) == (2, [])

    def test_no_escape_character_stands_in_the_file(self, tmp_path: Path) -> None:
        folder = Story().write(tmp_path / "run")
        (folder / "output.log").write_bytes(b"\x1b]0;pwned\x07\x9b31m\n")
        file = io.BytesIO()
        asciicast.write(folder, file)
        assert b"\x1b" not in file.getvalue()
        assert file.getvalue().isascii()


def test_of_what_was_logged_twice_in_a_step_the_last_counts(tmp_path: Path) -> None:
    story = Story().series().losses([0.5] * 3)
    for values in ({"epoch": 0.0, "a": 1.0}, {"epoch": 0.0, "b": 2.0}, {"a": 3.0}):
        rows = [events.ScalarRow(name, value, 1) for name, value in values.items()]
        story.add(events.Scalars(story.now, "wandb", 1, rows))
    found = rows_of(story.write(tmp_path / "run"))
    assert [row.step for row in found] == [0, 1, 2]
    values = found[1].values
    assert (values["a"], values["b"], values["epoch"], values["loss"]) == (3.0, 2.0, 0.0, 0.5)


def test_a_number_that_is_none_joins_its_row(tmp_path: Path) -> None:
    story = Story().series().losses([0.5])
    story.add(events.Scalars(story.now, "wandb", 0, [events.ScalarRow("x", math.nan, 0)]))
    (row,) = rows_of(story.write(tmp_path / "run"))
    assert math.isnan(row.values["x"])
    assert row.values["loss"] == 0.5


def test_any_number_of_rows_of_one_step_is_one_row(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text("".join(f'{{"step": 5, "x": {n}}}\n' for n in range(20_000)))
    imported = open_source(path, tmp_path / "cache")
    assert imported is not None
    (row,) = rows_of(imported)
    assert (row.step, row.values) == (5, {"x": 19_999.0})


def watched(*logged: tuple[str, int, dict[str, float]]) -> Story:
    """A training of ours with 4 steps, a sampled gradient norm and an evaluation, and what a logger was given."""
    story = Story()
    story.events[0] = replace(story.events[0], torch="2.13")
    for source, step, values in logged[:1]:  # a logger may be quicker than the first loss is read
        story.add(events.Scalars(story.now, source, step, [events.ScalarRow(*one, step) for one in values.items()]))
    story.series().losses([0.5, 0.4, 0.3, 0.2], lr=[0.1] * 4, grad_norm=[0.25] * 4)
    story.add(events.Evaluation(story.now, 4, 2, 16, 0.1, loader=1, loss=0.125, accuracy=0.5))
    story.add(events.Evaluation(story.now, 4, 2, 16, 0.1, loader=1, loss=0.125, accuracy=0.5))
    for source, step, values in logged[1:]:
        story.add(events.Scalars(story.now, source, step, [events.ScalarRow(*one, step) for one in values.items()]))
    return story


def test_a_logger_gets_none_of_our_own_names_however_early_it_is(tmp_path: Path) -> None:
    own = {"loss": 9.0, "lr": 9.0, "grad_norm": 9.0, "val_loss": 9.0, "val_accuracy": 9.0, "step_seconds": 9.0}
    table = Table(watched(("wandb", 1, own)).write(tmp_path / "run"))
    rows = list(table.rows())
    assert [row.step for row in rows] == [0, 1, 2, 3, 4]
    assert [rows[1].values[f"wandb/{name}"] for name in own] == [9.0] * 6
    assert (rows[1].values["loss"], rows[1].values["lr"], rows[1].values["grad_norm"]) == (0.4, 0.1, 0.25)
    assert (rows[4].values["val_loss"], rows[4].values["val_accuracy"]) == (0.125, 0.5)
    assert not [name for row in rows for name, value in row.values.items() if value == 9.0 and "/" not in name]


def test_what_the_trainer_logs_stands_where_its_own_file_puts_it(tmp_path: Path) -> None:
    """Its step counts what is done: loss, rate and norm of entry 4 are those of the step with the index 3."""
    entries: list[dict[str, float]] = [
        {"loss": 0.7, "learning_rate": 0.01, "grad_norm": 0.9, "epoch": 0.5, "step": 2},
        {"loss": 0.6, "learning_rate": 0.02, "grad_norm": 0.8, "epoch": 1.0, "step": 4},
        {"eval_loss": 0.125, "eval_runtime": 2.0, "epoch": 1.0, "step": 4},
    ]
    log = tmp_path / "trainer_state.json"
    log.write_text(json.dumps({"log_history": entries}))
    imported = open_source(log, tmp_path / "cache")
    assert imported is not None
    logged = [("transformers", int(one["step"]), {k: v for k, v in one.items() if k != "step"}) for one in entries]
    live = rows_of(watched(("wandb", 0, {"x": 1.0}), *logged).write(tmp_path / "run"))

    def places(rows: list[TableRow], *names: str) -> list[tuple[int, float]]:
        return [(row.step, row.values[name]) for row in rows for name in names if name in row.values]

    replayed = rows_of(imported)
    for ours, theirs in (("loss", "loss"), ("grad_norm", "grad_norm"), ("learning_rate", "lr"),
                         ("epoch", "epoch"), ("eval_runtime", "eval_runtime")):  # fmt: skip
        name = f"transformers/{ours}" if ours in ("loss", "grad_norm") else ours
        assert places(live, name) == places(replayed, theirs), ours
    assert places(live, "transformers/loss") == [(1, 0.7), (3, 0.6)]
    assert places(live, "eval_loss") == [(4, 0.125)]


def test_the_live_mirror_has_one_point_a_step_of_each_name_and_in_order(tmp_path: Path) -> None:
    story = watched(("wandb", 0, {"x": 1.0}), *[("transformers", 4, {"grad_norm": 0.9, "a": n}) for n in (1.0, 2.0)])
    story.add(events.Scalars(story.now, "wandb", 2, [events.ScalarRow("a", 7.0, 2), events.ScalarRow("b", 7.0, 2)]))
    folder = story.exit(0).write(tmp_path / "run")
    write_manifest(folder, Manifest(folder.name, created=STARTS, outcome=Outcome(0, "", 1.0, STARTS + 1)))
    (tmp_path / "live").mkdir()
    mirror(folder, tmp_path / "live")
    export(str(folder), tmp_path, Wanted(tensorboard=str(tmp_path / "tb")))
    found: dict[str, dict[str, list[tuple[int | None, float]]]] = {}
    for kind in ("live", "tb"):
        (path,) = (tmp_path / kind).iterdir()
        for row in read_all(TensorBoardReader(path)):
            for name, value in row.values.items():
                found.setdefault(kind, {}).setdefault(name, []).append((row.step, value))
    for points in (*found["live"].values(), *found["tb"].values()):
        steps = [step or 0 for step, _ in points]
        assert steps == sorted(set(steps))
    assert [step for step, _ in found["live"]["grad_norm"]] == [0, 1, 2, 3]
    assert found["live"]["val_loss"] == [(4, 0.125)]
    assert found["live"]["a"] == [(4, 2.0)]
    assert found["live"].keys() == found["tb"].keys()
