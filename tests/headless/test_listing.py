"""`dlmon ls` and `dlmon findings`."""

from __future__ import annotations

import json
import math
import os
from pathlib import Path

import pytest

from dlmon.catalogue.rows import rehearsal_row, row
from dlmon.checks.finding import Abstained, Finding, Judgement
from dlmon.headless import findings
from dlmon.headless.listing import table
from dlmon.launch import requests
from dlmon.record.manifest import Outcome
from dlmon.rehearsal.report import Record, StageReport, write_record
from dlmon.runs import all_runs, find_rehearsal, open_run, resolve
from dlmon.state.snapshot import RunSnapshot
from dlmon.view import View
from dlmon_probes import events
from tests.headless.runs import T, recorded, write


def test_a_row_is_read_off_the_ends_of_the_logs(tmp_path: Path) -> None:
    found = row(open_run(recorded(tmp_path / "run")))
    assert (found.name, found.state, found.steps, found.seconds, found.exit_code) == ("run", "finished", 200, 25.0, 0)
    assert found.loss is not None
    assert math.isnan(found.loss)
    assert found.as_json()["loss"] == "nan"


@pytest.mark.parametrize(
    ("outcome", "asked", "state"),
    [
        (Outcome(1, "", 25, T + 25), False, "failed"),
        (Outcome(137, "SIGKILL", 25, T + 25), False, "failed"),
        (Outcome(137, "SIGKILL", 25, T + 25), True, "stopped"),
        (Outcome(143, "SIGTERM", 25, T + 25), False, "stopped"),
    ],
)
def test_the_state_is_told_apart_as_on_the_screen(tmp_path: Path, outcome: Outcome, asked: bool, state: str) -> None:
    folder = recorded(tmp_path / "run", outcome)
    if asked:
        write(folder, "host.jsonl", [events.Signal(T + 20, "SIGINT", "the screen asked to stop")])
    assert row(open_run(folder)).state == state


def test_a_run_that_goes_on_has_its_phase_and_its_time_until_now(tmp_path: Path) -> None:
    folder = recorded(tmp_path / "run", host=os.uname().nodename)
    write(folder, "rank0.jsonl", [events.Heartbeat(T + 30, 200, "evaluating", 1.0)])
    run = open_run(folder)
    going = type(run)(folder, type(run.manifest)(**{**vars(run.manifest), "outcome": None}))
    fd = requests.create(folder)
    assert fd is not None
    found = row(going, now=T + 60)
    assert (found.state, found.seconds, found.exit_code) == ("evaluating", 60.0, None)
    os.close(fd)
    assert row(going, now=T + 60).state == "lost"


def test_a_torn_or_strange_end_does_not_hide_what_is_before_it(tmp_path: Path) -> None:
    folder = recorded(tmp_path / "run")
    with (folder / "rank0.jsonl").open("ab") as log:
        log.write(b'{"k":"steps","rubbish\n{"k":"steps","t":1,"first":900,"at":[1,2')
    assert row(open_run(folder)).steps == 200


def test_the_table_is_aligned(tmp_path: Path) -> None:
    rows = [row(open_run(recorded(tmp_path / name))) for name in ("a", "a-much-longer-name")]
    lines = table(rows)
    assert lines[0].split() == ["run", "state", "steps", "loss", "time", "exit", "size"]
    assert len({line.index("finished") for line in lines[1:]}) == 1
    assert len({len(line) for line in lines}) == 1


def test_a_run_is_named_by_folder_by_prefix_or_last(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    runs = tmp_path / "dlmon_runs"
    recorded(runs / "20260101-train", created=T)
    recorded(runs / "20260102-train", created=T + 5)
    (runs / "not a run").mkdir()
    monkeypatch.chdir(tmp_path)
    assert [run.folder.name for run in all_runs(runs)] == ["20260101-train", "20260102-train"]
    assert resolve("last", runs).folder == runs / "20260102-train"
    assert resolve("20260101", runs).folder.name == "20260101-train"
    assert resolve("dlmon_runs/20260101-train", Path("elsewhere")).folder == runs / "20260101-train"
    assert resolve("20260102-train", runs).folder == runs / "20260102-train"


WHERE = events.Where("/home/a/train.py", 31, "main", "optimizer.step()")


def judged(*found: Finding, abstained: tuple[Abstained, ...] = ()) -> View:
    snapshot = RunSnapshot("run", "/runs/run", ["train.py"], "finished", step=50)
    return View(snapshot, Judgement(found, abstained))


def test_findings_for_programs(tmp_path: Path) -> None:
    evidence = {"norm": math.inf, "list": [math.nan, 1.5], "steps": 3}
    found = Finding("a.b", "error", "gradients pile up", "Call zero_grad().", 2, 0, WHERE, evidence)
    gone = Finding("c.d", "hint", "was", "", resolved=True)
    rows = json.loads(findings.as_json(judged(found, gone).judgement))
    assert rows == [
        {
            "id": "a.b", "severity": "error", "title": "gradients pile up", "step": 2, "rank": 0,
            "where": {"file": "/home/a/train.py", "line": 31},
            "evidence": {"norm": "inf", "list": ["nan", 1.5], "steps": 3}, "advice": "Call zero_grad().",
        }
    ]  # fmt: skip


def test_findings_for_people() -> None:
    found = Finding("a.b", "error", "gradients pile up", "Call zero_grad().", 2, 0, WHERE)
    gone = Finding("c.d", "hint", "was", "", resolved=True)
    view = judged(found, gone, abstained=(Abstained("e.f", "no evaluation was seen"),))
    shown = findings.lines(view, everything=False)
    assert shown == [
        "error  a.b  gradients pile up",
        "    at /home/a/train.py:31  optimizer.step()",
        "    since step 2",
        "    Call zero_grad().",
        "1 check lacked the facts to judge (--all shows it)",
    ]
    everything = findings.lines(view, everything=True)
    assert "resolved  c.d  was" in everything
    assert "not judged  e.f  no evaluation was seen" in everything


def test_no_findings_is_said_with_what_it_is_worth() -> None:
    view = judged(abstained=(Abstained("e.f", "x"), Abstained("g.h", "y")))
    assert findings.lines(view, everything=False) == [
        "no findings after 50 steps; 2 checks lacked the facts to judge (--all shows them)"
    ]


def test_rehearsals_are_listed_and_found_beside_runs(tmp_path: Path) -> None:
    folder = tmp_path / "20260101-000000-train-rehearsal"
    folder.mkdir()
    record = Record("train.py", ("train.py",), str(tmp_path), 0.0, wanted=("smoke", "overfit"))
    record = record.with_report(StageReport("smoke", "pass", "fine", seconds=2.0))
    write_record(folder, record)
    found = rehearsal_row(folder)
    assert found is not None and (found.state, found.seconds, found.exit_code) == ("rehearsal, 1 stage", 2.0, 0)
    write_record(folder, record.with_report(StageReport("overfit", "fail", "stuck", seconds=3.0)))
    found = rehearsal_row(folder)
    assert found is not None and (found.state, found.exit_code) == ("rehearsal failed in overfit", 1)
    assert find_rehearsal("20260101", tmp_path) == find_rehearsal("last", tmp_path) == folder
    recorded(tmp_path / "20260102-000000-train")
    assert find_rehearsal("last", tmp_path) is None  # the run is newer
    assert find_rehearsal("2026010", tmp_path) == folder
