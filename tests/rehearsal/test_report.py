"""The record of a rehearsal: what is written is read back, and a later stage can outweigh an earlier one."""

from __future__ import annotations

from pathlib import Path

from dlmon.checks.finding import Finding
from dlmon.rehearsal.conclusion import why_passed_by
from dlmon.rehearsal.report import (
    FAIL,
    INCONCLUSIVE,
    PASS,
    Item,
    Record,
    StageReport,
    WrittenFile,
    goes_on,
    outweighed,
    read_record,
    write_record,
)
from dlmon_probes.events import Where


def report(name: str, verdict: str, **more: object) -> StageReport:
    return StageReport(name, verdict, f"{name} says", evidence={"steps": 4}, **more)  # type: ignore[arg-type]


def test_a_record_is_read_back_as_it_was_written(tmp_path: Path) -> None:
    finding = Finding("loss.nonfinite", "error", "loss is NaN", "look", step=3, where=Where("train.py", 7))
    smoke = report(
        "smoke", PASS, seconds=1.5, items=(Item("data", PASS, "ok"),), findings=(finding,), run="smoke-2",
        files=(WrittenFile("/a/b.pt", "files/a/b.pt", 12, "torch.save"),),
    )  # fmt: skip
    record = Record(
        "train.py", ("train.py", "--lr", "1"), "/work", 5.0, (smoke,), ("smoke", "overfit"), {"fraction": 0.1},
        ("overfit", "overfit"),
    )  # fmt: skip
    write_record(tmp_path, record)
    assert read_record(tmp_path) == record
    assert goes_on(tmp_path)
    (tmp_path / "rehearsal.json").write_text('{"script": "train.py"')
    assert read_record(tmp_path) is None and not goes_on(tmp_path)


def test_a_report_takes_the_place_of_an_older_one_and_keeps_the_order() -> None:
    record = Record("train.py", (), "/", 0.0).with_report(report("smoke", FAIL)).with_report(report("engine", PASS))
    again = record.with_report(report("smoke", PASS))
    assert [(r.name, r.verdict) for r in again.reports] == [("smoke", PASS), ("engine", PASS)]


def test_a_failed_engine_is_outweighed_by_a_batch_that_was_learned() -> None:
    doubted = outweighed(report("engine", FAIL))
    assert doubted.verdict == INCONCLUSIVE and doubted.summary.endswith("engine says") and doubted.next_step


def test_dearer_stages_are_passed_by_after_a_failure_with_the_reason() -> None:
    smoke, engine = report("smoke", PASS), report("engine", FAIL)
    assert why_passed_by([report("smoke", FAIL)], "engine") == "smoke failed"
    assert why_passed_by([smoke, engine], "overfit") == ""  # which tells what the failed engine means
    assert why_passed_by([smoke, engine], "subset") == "engine failed"
    assert why_passed_by([smoke, engine, report("overfit", FAIL)], "full") == "engine failed"
    assert why_passed_by([report("review", FAIL)], "smoke") == ""
    stood = StageReport("smoke", INCONCLUSIVE, "stopped after 600 s")
    assert "did not come to a step" in why_passed_by([stood], "engine")
