"""`dlmon prune`: what may go, and what must never."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest

from dlmon.catalogue.belongings import foreign
from dlmon.catalogue.prune import plan, remove, why_not
from dlmon.catalogue.rows import read_row
from dlmon.launch import requests
from dlmon.record.manifest import read_manifest, write_manifest
from dlmon.rehearsal.report import Record, StageReport, write_record
from tests.headless.runs import T, recorded
from tests.support import Dlmon

HERE = os.uname().nodename


def unfinished(folder: Path, host: str, age: float) -> Path:
    """A run without an outcome whose logs were last written `age` seconds ago."""
    recorded(folder)
    manifest = read_manifest(folder)
    assert manifest is not None
    write_manifest(folder, type(manifest)(**{**vars(manifest), "outcome": None, "host": host}))
    then = time.time() - age
    for path in folder.iterdir():
        os.utime(path, (then, then))
    return folder


def test_a_run_that_is_over_may_go(tmp_path: Path) -> None:
    folder = recorded(tmp_path / "run")
    assert why_not(folder, time.time()) == ""
    assert remove(folder) == "" and not folder.exists()


@pytest.mark.parametrize(
    ("host", "age", "why"),
    [
        (HERE, 100_000.0, ""), (HERE, 5.0, "written to lately"), ("elsewhere", 3600.0, "may go on on elsewhere"),
        ("elsewhere", 100_000.0, ""),
    ],
)  # fmt: skip
def test_a_run_without_an_end_stays_while_it_may_go_on(tmp_path: Path, host: str, age: float, why: str) -> None:
    folder = unfinished(tmp_path / "run", host, age)
    found = why_not(folder, time.time())
    assert (why in found) if why else found == ""


def test_a_supervised_run_stays_however_silent_it_is(tmp_path: Path) -> None:
    folder = unfinished(tmp_path / "run", HERE, 100_000.0)
    fd = requests.create(folder)
    assert fd is not None
    try:
        assert why_not(folder, time.time()) == "it goes on"
        assert remove(folder) == "it goes on" and folder.exists()
    finally:
        os.close(fd)


def test_folders_of_others_and_links_stay(tmp_path: Path) -> None:
    foreign = tmp_path / "foreign"
    foreign.mkdir()
    (foreign / "run.json").write_text('{"name": "their own", "command": ["make"]}')
    assert why_not(foreign, time.time()) == "not a run of dlmon that can be read: run.json is not dlmon's: no 'schema'"
    bare = tmp_path / "bare"
    bare.mkdir()
    assert why_not(bare, time.time()) == "not a run of dlmon"
    real = recorded(tmp_path / "elsewhere" / "run")
    link = tmp_path / "link"
    link.symlink_to(real)
    assert why_not(link, time.time()) == "a link, not a folder"
    assert remove(link) and link.is_symlink() and real.exists()
    (tmp_path / "file").write_text("")
    assert why_not(tmp_path / "file", time.time()) == "no folder"


def test_links_inside_a_run_are_removed_and_not_followed(tmp_path: Path) -> None:
    kept = tmp_path / "data"
    kept.mkdir()
    (kept / "precious").write_text("x")
    folder = recorded(tmp_path / "run")
    (folder / "data").symlink_to(kept)
    assert remove(folder) == ""
    assert (kept / "precious").read_text() == "x"


def test_rehearsals_go_with_their_stages_and_stay_while_one_runs(tmp_path: Path) -> None:
    folder = tmp_path / "20260101-000000-train-rehearsal"
    folder.mkdir()
    record = Record("train.py", ("train.py",), str(tmp_path), T, wanted=("smoke",))
    write_record(folder, record.with_report(StageReport("smoke", "pass", "fine", seconds=2.0)))
    recorded(folder / "smoke")
    assert "a screen may still step through it" in why_not(folder, time.time())
    assert why_not(folder, time.time() + 3600) == ""
    unfinished(folder / "overfit", "elsewhere", 60.0)
    assert why_not(folder, time.time() + 3600).startswith("its stage overfit: it may go on on elsewhere")
    found = read_row(folder)
    assert found is not None and [one.spared for one in plan([found])] != [""]


def test_files_that_dlmon_did_not_write_spare_a_run_unless_it_is_named(tmp_path: Path) -> None:
    folder = recorded(tmp_path / "run")
    for name in ("screen-20260101-120000.svg", "stacks-77.txt", "rank0-12.jsonl", "marks.json", "git.diff"):
        (folder / name).write_text("x")
    (folder / "source").mkdir()
    (folder / "source" / "train.py").write_text("x")
    row = read_row(folder)
    assert row is not None and [one.spared for one in plan([row])] == [""]
    (folder / "checkpoints").mkdir()
    (folder / "checkpoints" / "best\x1b.pt").write_bytes(b"x" * 50_000)
    (folder / "notes.md").write_text("mine")
    (folder / "data").symlink_to(tmp_path)
    (one,) = plan([row])
    assert "holds 3 files that dlmon did not write" in one.spared and "dlmon prune run" in one.spared
    assert one.foreign.count == 3 and one.foreign.size >= 50_000 and "\x1b" not in one.spared
    assert one.foreign.names == ("checkpoints/best\x1b.pt", "data", "notes.md")
    (named,) = plan([row], by_name=True)
    assert named.spared == "" and named.foreign == one.foreign


def test_files_of_others_in_a_rehearsal_are_found_and_its_stages_are_ours(tmp_path: Path) -> None:
    folder = tmp_path / "20260101-000000-train-rehearsal"
    recorded(folder / "smoke")
    write_record(folder, Record("train.py", ("train.py",), str(tmp_path), T, wanted=("smoke",)))
    (folder / "smoke" / "files").mkdir()
    (folder / "smoke" / "files" / "model.pt").write_text("written by the script, taken there by the stage")
    assert foreign(folder).count == 0
    (folder / "smoke" / "mine.txt").write_text("x")
    assert foreign(folder).names == ("smoke/mine.txt",)


def test_the_command_names_what_dlmon_did_not_write(dlmon: Dlmon) -> None:
    recorded(dlmon.runs / "20260100-train", created=T)
    recorded(dlmon.runs / "20260101-train", created=T + 1)
    (dlmon.runs / "20260100-train" / "mydata.bin").write_bytes(b"x" * 9000)
    spared = dlmon("prune", "--older-than", "1d", "--yes")
    assert "20260100-train stays: holds 1 file that dlmon did not write" in spared.stderr
    assert "mydata.bin" in spared.stderr and "removed 1 run" in spared.stderr
    assert [path.name for path in dlmon.runs.iterdir()] == ["20260100-train"]
    dry = dlmon("prune", "20260100-train")
    assert "with it would go 1 file that dlmon did not write" in dry.stderr and "mydata.bin" in dry.stderr
    gone = dlmon("prune", "20260100-train", "--yes")
    assert "with it went 1 file" in gone.stderr and list(dlmon.runs.iterdir()) == []


def test_the_newest_are_spared_among_those_that_could_go(tmp_path: Path) -> None:
    for number in range(4):
        recorded(tmp_path / f"run{number}", created=T + number)
    unfinished(tmp_path / "run9", "elsewhere", 5.0)
    rows = [row for folder in tmp_path.iterdir() if (row := read_row(folder)) is not None]
    assert [one.row.name for one in plan(rows, keep=2) if not one.spared] == ["run0", "run1"]


def test_the_command_removes_nothing_until_told(dlmon: Dlmon) -> None:
    for number in range(3):
        recorded(dlmon.runs / f"2026010{number}-train", created=T + number)
    (dlmon.runs / "notes").mkdir()
    nothing = dlmon("prune")
    assert nothing.returncode == 2 and "say which runs" in nothing.stderr
    shown = dlmon("prune", "--older-than", "1d", "--keep", "1")
    assert [line.split()[0] for line in shown.stdout.splitlines()] == ["run", "20260100-train", "20260101-train"]
    assert "2 runs" in shown.stderr and "would be removed; nothing was" in shown.stderr
    assert len(list(dlmon.runs.iterdir())) == 4
    told = json.loads(dlmon("prune", "20260100", "--yes", "--json").stdout)
    assert [row["name"] for row in told["runs"]] == ["20260100-train"] and told["bytes"] > 0
    assert sorted(path.name for path in dlmon.runs.iterdir()) == ["20260101-train", "20260102-train", "notes"]
    assert "'soon' is no span of time" in dlmon("prune", "--older-than", "soon").stderr
