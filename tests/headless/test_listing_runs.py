"""The rows of `dlmon ls`: kept between commands, picked by words, sorted; tags and notes."""

from __future__ import annotations

import json
import math
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from dlmon.catalogue.catalogue import CACHE, Catalogue
from dlmon.catalogue.log_end import LogEnd
from dlmon.catalogue.order import column_of, ordered
from dlmon.catalogue.prune import plan, remove
from dlmon.catalogue.rows import Row, size_on_disk
from dlmon.catalogue.words import filter_of, seconds_of, size_of, strict_filter
from dlmon.errors import UserError
from dlmon.headless.listing import spared_lines, table
from dlmon.record.manifest import Outcome
from dlmon.record.marks import FILE, Marks, read_marks, write_marks
from tests.headless.runs import T, recorded
from tests.support import Dlmon

NOW = 1_000_000.0
ROW = Row(
    "20260101-120000-train", "finished", 200, 0.25, 90.0, 0, "/runs/20260101-120000-train", created=NOW - 1000,
    ended=NOW - 900, tags=("base",), note="first try", size=5000,
)  # fmt: skip


@pytest.mark.parametrize(
    ("words", "takes"),
    [
        ("", True), ("finished", True), ("failed", False), ("-failed", True), ("train", True), ("TRAIN", True),
        ("tag:base", True), ("tag:bas", False), ("tag:", True), ("-tag:base", False), ("note:TRY", True),
        ("loss<0.3", True), ("loss<0.2", False), ("loss>=0.25 steps>100", True), ("steps>100 failed", False),
        ("steps=200", True), ("steps!=200", False), ("older:10min", True), ("older:1h", False), ("newer:1h", True),
        ("time<2min", True), ("size>4k", True), ("size>1MiB", False), ("exit=0", True), ("state:fin", True),
        ("name:2026", True),
    ],
)  # fmt: skip
def test_words_pick_rows(words: str, takes: bool) -> None:
    made = filter_of(words)
    assert made.trouble == ""
    assert made.takes(ROW, NOW) is takes


def test_a_row_without_the_number_is_not_picked_by_it() -> None:
    going = replace(ROW, loss=None, exit_code=None, ended=None, size=None)
    for words in ("loss<1", "loss>=0", "exit=0", "size>0", "older:1s"):
        assert not filter_of(words).takes(going, NOW)
    assert filter_of("newer:1s").takes(going, NOW)
    assert not filter_of("loss<1").takes(replace(ROW, loss=math.nan), NOW)


@pytest.mark.parametrize("word", ["loss<", "older:soon", "size>big", "steps>1,000", "-loss<x"])
def test_a_word_in_the_middle_of_typing_is_left_out_and_an_error_on_the_command_line(word: str) -> None:
    made = filter_of(f"finished {word}")
    assert made.trouble and made.takes(ROW, NOW)
    with pytest.raises(UserError, match="--filter: "):
        strict_filter(word)


def test_spans_and_sizes() -> None:
    assert [seconds_of(text) for text in ("7d", "12h", "30min", "1.5m", "2w", "90")] == [
        604800, 43200, 1800, 90, 1209600, 90
    ]  # fmt: skip
    assert [size_of(text) for text in ("500M", "1GiB", "2kb", "7")] == [500 << 20, 1 << 30, 2048, 7]


def test_rows_in_order_with_the_unknown_last() -> None:
    rows = [replace(ROW, name=name, loss=loss) for name, loss in zip("abcd", (0.3, None, 0.1, math.nan), strict=True)]
    assert [row.name for row in ordered(rows, "loss")] == ["c", "a", "b", "d"]
    assert [row.name for row in ordered(rows, "loss", reverse=True)] == ["a", "c", "d", "b"]
    assert column_of("-loss") == ("loss", True) and column_of("time") == ("time", False)
    with pytest.raises(UserError, match="--sort speed: there are time, name"):
        column_of("speed")


def test_the_end_of_a_log_is_found_however_long_the_lines_are(tmp_path: Path) -> None:
    log = tmp_path / "rank0.jsonl"
    long = json.dumps({"k": "gradients", "x": "y" * 200_000}, separators=(",", ":"))
    log.write_text('{"k":"crash","t":1}\n{"k":"steps","t":2,"first":7}\n' + f"{long}\n" * 3 + '{"k":"steps","t":3')
    end = LogEnd(log)
    assert end.last("steps") == {"k": "steps", "t": 2, "first": 7}
    assert end.last("crash") == {"k": "crash", "t": 1}
    assert end.last("exit") is None
    assert LogEnd(tmp_path / "none").last("steps") is None


# ---------------------------------------------------------------- what is kept between two commands


def _many(runs: Path, amount: int = 60) -> None:
    for number in range(amount):
        recorded(runs / f"run{number:03d}", created=T + number)


def test_what_was_read_is_kept_until_its_files_change(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _many(tmp_path)
    first = Catalogue(tmp_path)
    before = list(first.rows(size=True))
    first.save()
    assert len(before) == 60 and (tmp_path / CACHE).stat().st_mode & 0o077 == 0

    read: list[str] = []
    from dlmon.catalogue import catalogue

    original = catalogue.read_row
    monkeypatch.setattr(catalogue, "read_row", lambda folder: (read.append(folder.name), original(folder))[1])
    write_marks(tmp_path / "run007", Marks(("x",)))
    again = {row.name: row for row in Catalogue(tmp_path).rows(size=True)}
    assert read == ["run007"]
    assert again["run007"].tags == ("x",)
    assert [again[row.name].size for row in before] == [row.size for row in before]
    recorded(tmp_path / "run008", Outcome(1, "", 2.0, T + 2))
    assert next(row for row in Catalogue(tmp_path).rows() if row.name == "run008").state == "failed"


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", '{"version": 1, "rows": {"run000": [[], {"name": 5}]}}', '{"version": 9, "rows": {}}', "[" * 9000],
)
def test_a_strange_cache_is_read_as_none(tmp_path: Path, text: str) -> None:
    recorded(tmp_path / "run000")
    (tmp_path / CACHE).write_text(text)
    assert [row.state for row in Catalogue(tmp_path).rows()] == ["finished"]


def test_folders_that_are_no_runs_are_left_out(tmp_path: Path) -> None:
    recorded(tmp_path / "run")
    (tmp_path / "notes").mkdir()
    (tmp_path / "file").write_text("x")
    assert [row.name for row in Catalogue(tmp_path).rows()] == ["run"]
    assert list(Catalogue(tmp_path / "none").rows()) == []


def test_rows_are_called_as_their_folders(tmp_path: Path) -> None:
    recorded(tmp_path / "first", created=T)
    shutil.copytree(tmp_path / "first", tmp_path / "copied")
    (tmp_path / "link").symlink_to("first")
    rows = {row.name: row for row in Catalogue(tmp_path).rows()}
    assert set(rows) == {"first", "copied", "link"}
    assert {row.state for row in rows.values()} == {"finished"}


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "run.json is empty"), ("{", "run.json is no whole JSON"), ("[]", "run.json holds no object"),
        ("{}", "run.json is not dlmon's: no 'schema'"), ("[" * 9000, "run.json is no whole JSON"),
    ],
)  # fmt: skip
def test_a_broken_manifest_is_listed_with_the_reason_and_stays(tmp_path: Path, text: str, why: str) -> None:
    folder = recorded(tmp_path / "run")
    (folder / "run.json").write_text(text)
    (row,) = Catalogue(tmp_path).rows()
    assert (row.name, row.state, row.steps, row.trouble) == ("run", "damaged", 200, why)
    assert any("damaged" in line and why in line for line in table([row]))
    (one,) = plan([row], by_name=True)
    assert why in one.spared
    assert remove(folder) and folder.exists()


def test_a_broken_record_of_a_rehearsal_is_listed_too(tmp_path: Path) -> None:
    (tmp_path / "run-rehearsal").mkdir()
    (tmp_path / "run-rehearsal" / "rehearsal.json").write_text("{")
    (row,) = Catalogue(tmp_path).rows()
    assert (row.state, row.trouble) == ("damaged", "rehearsal.json is no whole JSON")
    assert "stays" in spared_lines(plan([row]))[0]


def test_size_on_disk_follows_no_links(tmp_path: Path) -> None:
    folder = recorded(tmp_path / "run")
    before = size_on_disk(folder)
    (tmp_path / "big").write_bytes(b"x" * 1_000_000)
    (folder / "link").symlink_to(tmp_path / "big")
    (folder / "up").symlink_to(tmp_path)
    assert size_on_disk(folder) < before + 100_000
    (folder / "sub").mkdir()
    (folder / "sub" / "real").write_bytes(b"x" * 1_000_000)
    assert size_on_disk(folder) > 900_000


# ---------------------------------------------------------------- tags and notes


def test_marks_are_written_in_one_piece_and_read_back(tmp_path: Path) -> None:
    marks = Marks().with_tags(["base", "lr-0.1", "base"]).with_note("  two\nlines\x1b[31m ")
    write_marks(tmp_path, marks)
    assert read_marks(tmp_path) == marks == Marks(("base", "lr-0.1"), "two lines [31m")
    write_marks(tmp_path, marks.with_tags(remove=["base"]).with_note(""))
    assert read_marks(tmp_path) == Marks(("lr-0.1",))
    write_marks(tmp_path, Marks())
    assert not (tmp_path / FILE).exists()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("tag", ["", "two words", "a,b", "x" * 41, "esc\x1b"])
def test_what_cannot_be_a_tag(tag: str) -> None:
    with pytest.raises(UserError, match="cannot be a tag"):
        Marks().with_tags([tag])


@pytest.mark.parametrize(
    "text", ["", "[]", "{", '{"tags": 5, "note": 7}', '{"tags": ["a b", 3, "\\u001b"]}', "[" * 9000]
)
def test_strange_marks_are_none(tmp_path: Path, text: str) -> None:
    (tmp_path / FILE).write_text(text)
    assert read_marks(tmp_path) == Marks()


def test_marks_of_a_link_lie_in_the_run_itself_and_that_is_said(dlmon: Dlmon, tmp_path: Path) -> None:
    real = recorded(tmp_path / "elsewhere" / "run")
    dlmon.runs.mkdir(exist_ok=True)
    (dlmon.runs / "linked").symlink_to(real)
    told = dlmon("mark", "linked", "--tag", "x")
    assert told.returncode == 0 and f"linked is a link: written to the run itself, {real}" in told.stderr
    assert read_marks(real).tags == ("x",)
    assert [row["tags"] for row in json.loads(dlmon("ls", "--json").stdout)] == [["x"]]


def test_the_commands(dlmon: Dlmon) -> None:
    recorded(dlmon.runs / "20260101-a", created=T)
    recorded(dlmon.runs / "20260102-b", Outcome(1, "", 25.0, T + 25), created=T + 5)
    assert dlmon("mark", "20260101-a", "--tag", "base", "--note", "the first").stdout == "tags: base\nnote: the first\n"
    assert dlmon("mark", "20260101-a", "--untag", "base", "--tag", "x").stdout == "tags: x\nnote: the first\n"
    lines = dlmon("ls").stdout.splitlines()
    assert lines[0].split() == ["run", "state", "steps", "loss", "time", "exit", "size", "tags", "note"]
    assert lines[1].startswith("20260101-a") and lines[1].endswith("x     the first")
    rows = json.loads(dlmon("ls", "--json", "--filter", "failed").stdout)
    assert [(row["name"], row["tags"], row["size"] > 0) for row in rows] == [("20260102-b", [], True)]
    assert [row["name"] for row in json.loads(dlmon("ls", "--json", "--sort", "-name").stdout)] == [
        "20260102-b", "20260101-a"
    ]  # fmt: skip
    assert "none of 2 runs" in dlmon("ls", "--filter", "tag:none").stderr
    bad = dlmon("ls", "--filter", "loss<low")
    assert (bad.returncode, bad.stdout) == (2, "") and "'low' is no number" in bad.stderr
