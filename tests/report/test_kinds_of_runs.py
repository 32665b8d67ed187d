"""A pack of every kind of run: each says what it is, and is written all the same."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from dlmon.record.manifest import Outcome
from dlmon.rehearsal.report import FAIL, PASS, Item, Record, StageReport, write_record
from dlmon.report import curves
from dlmon.report.collect import collect, collect_rehearsal
from dlmon.report.contents import contents
from dlmon.report.write import files
from dlmon_probes import events
from tests.builders import START, Story
from tests.report.logs import classifier, pack_of, write


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(curves, "available", lambda: False)  # the pictures are looked at elsewhere


def page(made: dict[str, bytes], name: str = "README.md") -> str:
    return made[name].decode()


def test_crashed(tmp_path: Path) -> None:
    story = classifier(tmp_path / "run").crash("RuntimeError", "mat1 and mat2 shapes cannot be multiplied")
    made = files(pack_of(write(story, tmp_path / "run")))
    assert "failed with RuntimeError: mat1 and mat2 shapes cannot be multiplied, exit code 1" in page(made)
    assert "The run did not come to its own end" in page(made)
    assert json.loads(made["outputs/metrics_summary.json"])["state"] == "failed"
    assert "crash." in page(made, "reports/findings.md")


def test_killed(tmp_path: Path) -> None:
    story = classifier(tmp_path / "run").exit(137, "SIGKILL")
    assert "failed with killed by SIGKILL, exit code 137" in page(files(pack_of(write(story, tmp_path / "run"))))


def test_stopped(tmp_path: Path) -> None:
    story = classifier(tmp_path / "run")
    story.host.append(events.Signal(t=story.now, signal="SIGINT", reason="asked"))
    made = files(pack_of(write(story.exit(130, "SIGINT"), tmp_path / "run")))
    assert "was stopped by SIGINT, exit code 130" in page(made)


def test_still_running(tmp_path: Path) -> None:
    """On another machine, where its processes cannot be asked after."""
    folder = write(classifier(tmp_path / "run"), tmp_path / "run", host="elsewhere")
    made = files(pack_of(folder))
    assert "still goes on (training, as of the last line of its log)" in page(made)
    assert "Wait for the end of the run" in page(made)
    assert files(pack_of(folder)) == made  # although time goes on
    row = json.loads(made["checkpoints/best.json"])
    assert row == {"found": False, "why": "the run was on elsewhere: its files are not looked for here"}


def test_lost(tmp_path: Path) -> None:
    made = files(pack_of(write(classifier(tmp_path / "run"), tmp_path / "run")))
    assert "was lost (no end was recorded and its processes are gone)" in page(made)


def test_the_end_is_in_the_manifest_where_the_log_is_torn(tmp_path: Path) -> None:
    folder = write(classifier(tmp_path / "run"), tmp_path / "run", outcome=Outcome(0, "", 9.0, START + 9))
    made = files(pack_of(folder))
    assert "finished with exit code 0" in page(made) and "9.0 s" in page(made)
    assert files(pack_of(folder)) == made


def test_empty(tmp_path: Path) -> None:
    """No step: the files are there with their headers, and say why they are empty."""
    made = files(pack_of(write(Story(folder=tmp_path / "run").exit(0), tmp_path / "run")))
    assert "No training step was seen" in page(made) and "There are no results." in page(made)
    assert made["outputs/training_log.csv"].decode().splitlines() == [
        "step,epoch,train_loss,val_loss,train_accuracy,val_accuracy,lr,seconds,steps"
    ]
    assert made["outputs/error_samples.csv"].count(b"\n") == 1
    assert "not recorded: steps: no optimizer step was seen" in page(made)
    assert "not recorded" in page(made, "reports/shape_trace.md")


def test_not_one_process_came_up(tmp_path: Path) -> None:
    folder = write(Story(folder=tmp_path / "run").exit(2), tmp_path / "run")
    (folder / "rank0.jsonl").unlink()
    made = files(pack_of(folder))
    assert "No training step was seen" in page(made) and "exit code 2" in page(made)
    (folder / "host.jsonl").unlink()
    assert "No training step was seen" in page(files(pack_of(folder)))


def test_a_damaged_log(tmp_path: Path) -> None:
    folder = write(classifier(tmp_path / "run").exit(0), tmp_path / "run")
    with (folder / "rank0.jsonl").open("ab") as file:
        file.write(b'{"k":"steps","t":"soon"}\n\xff\xfe\n{"k":"evaluation","t":1,"step":1e99,"batches"')
    made = files(pack_of(folder))
    assert "2 lines of the log could not be read." in page(made)
    assert made["outputs/training_log.csv"].count(b"\n") == 4


def test_a_loss_that_went_to_nan(tmp_path: Path) -> None:
    story = classifier(tmp_path / "run")
    story.losses([float("nan")] * 30)
    made = files(pack_of(write(story.exit(0), tmp_path / "run")))
    row = json.loads(made["outputs/metrics_summary.json"])
    assert row["losses"]["loss"]["not_finite"] == 30 and row["losses"]["loss"]["last"] == "nan"
    assert "NaN" in page(made, "reports/findings.md")


def test_a_rehearsal(tmp_path: Path) -> None:
    """Its stages stand in the checklist; the tables come from the stage that was changed the least."""
    folder = tmp_path / "20260101-train-rehearsal"
    folder.mkdir()
    write(classifier(folder / "smoke", epochs=1).exit(0), folder / "smoke")
    write(classifier(folder / "overfit", epochs=2).exit(0), folder / "overfit")
    reports = (
        StageReport("review", PASS, "1 file, 40 lines", 0.2),
        StageReport("smoke", PASS, "gradients 3 of 3", 3.0, (Item("data", PASS, "batch 32×1×8×8"),), run="smoke"),
        StageReport(
            "overfit", FAIL, "the loss stays at 1.1", 9.0, (Item("floor", FAIL, "1.10 after 200 steps"),),
            next_step="Look at the labels | all of them.", run="overfit",
        ),
    )  # fmt: skip
    write_record(folder, Record("train.py", ["train.py"], str(tmp_path), START, reports))
    evidence = collect_rehearsal(folder)
    assert evidence.stage == "smoke" and evidence.name == folder.name
    assert evidence.rehearsal is not None
    made = files(contents([evidence], rehearsals=[evidence.rehearsal], load=lambda path: ("no", "")))
    checklist = page(made, "reports/debug_checklist.md")
    assert "| `overfit` | fail | 9.0 s | the loss stays at 1.1 |" in checklist
    assert "| `floor` | fail | 1.10 after 200 steps |" in checklist
    assert "Next: Look at the labels \\| all of them." in checklist
    assert "These are the numbers of the stage smoke of a rehearsal" in page(made)
    assert "overfit fails: the loss stays at 1.1" in page(made)  # the next step
    assert "the loss stays at 1.1" in page(made, "report.html")


def test_a_rehearsal_cannot_point_out_of_its_folder(tmp_path: Path) -> None:
    folder, outside = tmp_path / "rehearsal", tmp_path / "outside"
    folder.mkdir()
    write(classifier(outside, epochs=1).exit(0), outside)
    write(classifier(folder / "smoke", epochs=1).exit(0), folder / "smoke")
    reports = [StageReport("full", PASS, "", run="../outside"), StageReport("smoke", PASS, "", run="smoke")]
    write_record(folder, Record("train.py", ["train.py"], "", START, reports))
    assert collect_rehearsal(folder).stage == "smoke"


def test_several_ranks(tmp_path: Path) -> None:
    story = classifier(tmp_path / "run")
    folder = write(story.exit(0), tmp_path / "run")
    other = Story(rank=1).series().losses([9.0] * 30)
    other.events[0] = replace(other.events[0], world=2)
    from dlmon.record.codec import encode_event

    (folder / "rank1.jsonl").write_bytes(b"".join(map(encode_event, other.events)))
    evidence = collect(folder)
    assert [process.rank for process in evidence.processes] == [0]
    assert "predictions and steps are those of rank 0; where a sampler" in page(files(pack_of(folder)))
