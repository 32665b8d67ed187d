"""A source as a run: what becomes of its names, and the cache of runs made of sources."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest

from dlmon.errors import UserError
from dlmon.interop import cache as kept
from dlmon.interop import open_source
from dlmon.interop.open import QUIET_SECONDS, Following, grows, run_or_source
from dlmon.interop.roles import Role, role
from dlmon.interop.sources import recognise
from dlmon.record.manifest import read_manifest
from dlmon.state import snapshot as words
from tests.app import runs
from tests.interop.made import event_file, series, snapshot, wandb_file, write
from tests.interop.test_tensorboard import NAME
from tests.interop.test_text_sources import LIGHTNING, history, trainer_state
from tests.support import wait_for


def opened(path: Path, cache: Path) -> Path:
    folder = open_source(path, cache)
    assert folder is not None
    return folder


@pytest.mark.parametrize(
    ("tag", "expected"),
    [
        ("loss", Role("loss")),
        ("train/loss", Role("loss")),
        ("trainLoss", Role("loss")),
        ("loss_G", Role("loss")),
        ("epoch_loss", Role("loss")),
        ("train_loss_epoch", Role("other")),
        ("loss_scale", Role("other")),
        ("glossary", Role("other")),
        ("val_loss", Role("evaluation loss", "val")),
        ("eval/loss", Role("evaluation loss", "eval")),
        ("validation/epoch_loss", Role("evaluation loss", "val")),
        ("val_loss_step", Role("other")),
        ("val_loss/dataloader_idx_1", Role("evaluation loss", "val 1")),
        ("test_acc", Role("evaluation accuracy", "test")),
        ("eval_accuracy", Role("evaluation accuracy", "eval")),
        ("val_acc_top5", Role("other")),
        ("lr-AdamW", Role("lr")),
        ("learning_rate", Role("lr")),
        ("train/learning_rate", Role("lr")),
        ("grad_norm", Role("grad_norm")),
        ("accuracy", Role("other")),
    ],
)
def test_names_and_what_they_stand_for(tag: str, expected: Role) -> None:
    assert role(tag) == expected


def test_a_run_made_of_events(tmp_path: Path) -> None:
    rows: list[tuple[int, dict[str, float]]] = []
    for step in range(100):
        rows.append((step, {"train/loss": 2.0 - step / 64, "lr": 0.25, "grad_norm": 1.5, "temperature": 3.0}))
        if step % 50 == 49:
            rows.append((step, {"val_loss": 0.5, "val_acc": 0.75, "test_loss": 0.125, "epoch": step}))
    write(tmp_path / "logs" / NAME, event_file(rows))
    shown = snapshot(opened(tmp_path / "logs", tmp_path / "cache"))
    loss = series(shown, "train/loss")
    assert (loss.count, loss.first[1], loss.last) == (100, (1, 2.0 - 1 / 64), 2.0 - 99 / 64)
    assert shown.step == 100
    assert shown.lr == 0.25
    assert shown.timing.median == pytest.approx(0.1)
    assert series(shown, "gradient norm", "gradient norm").last == 1.5
    assert series(shown, "temperature", "tensorboard").count == 100
    assert [(view.event.name, view.event.step, view.event.loss) for view in shown.evaluations] == [
        ("val", 49, 0.5), ("test", 49, 0.125), ("val", 99, 0.5), ("test", 99, 0.125),
    ]  # fmt: skip
    assert series(shown, "val accuracy", "evaluation").last == 0.75
    assert series(shown, "test loss", "evaluation").last == 0.125
    assert (shown.state, shown.exit_code, shown.name) == (words.FINISHED, None, "logs")
    assert list(shown.command) == ["TensorBoard events:", str(tmp_path / "logs")]
    assert shown.elapsed == pytest.approx(9.9)


def test_a_run_made_of_lightnings_table(tmp_path: Path) -> None:
    path = write(tmp_path / "version_0" / "metrics.csv", LIGHTNING)
    shown = snapshot(opened(path.parent, tmp_path / "cache"))
    assert series(shown, "train_loss").first[0] == (9, 2.5)
    assert series(shown, "train_loss").points.nonfinite == (29,)
    assert shown.timing.median is None  # the table has no times, and none are made up
    assert "the CSV table holds no times: those shown mean nothing" in shown.notices
    assert shown.name == "version_0"


def test_a_run_made_of_a_trainer_state_counts_steps_from_0(tmp_path: Path) -> None:
    write(tmp_path / "out" / "checkpoint-30" / "trainer_state.json", trainer_state(3))
    shown = snapshot(opened(tmp_path / "out", tmp_path / "cache"))
    assert [step for step, _ in series(shown, "loss").first] == [9, 19, 29]
    assert shown.step == 30
    (evaluation,) = shown.evaluations
    assert (evaluation.event.step, evaluation.event.loss, evaluation.event.accuracy) == (30, 0.5, 0.75)


def test_a_run_made_of_a_wandb_file_has_its_exit_code(tmp_path: Path) -> None:
    write(tmp_path / "offline-run-1" / "run-1.wandb", wandb_file(history(20), exit_code=1))
    shown = snapshot(opened(tmp_path / "offline-run-1", tmp_path / "cache"))
    assert (shown.state, shown.exit_code) == (words.FAILED, 1)
    assert series(shown, "loss").count == 20


def test_losses_of_one_step_from_two_files_are_both_there(tmp_path: Path) -> None:
    for part in ("a", "b"):
        write(tmp_path / "logs" / part / NAME, event_file((step, {"loss": step / 4}) for step in range(50)))
    shown = snapshot(opened(tmp_path / "logs", tmp_path / "cache"))
    assert series(shown, "a/loss").count == series(shown, "b/loss").count == 50


def test_a_source_is_converted_once_and_anew_when_it_changed(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", '{"loss": 1}\n')
    first = opened(path, tmp_path / "cache")
    stamp = (first / "rank0.jsonl").stat().st_mtime_ns
    assert opened(path, tmp_path / "cache") == first
    assert (first / "rank0.jsonl").stat().st_mtime_ns == stamp
    write(path, '{"loss": 1}\n{"loss": 2}\n')
    second = opened(path, tmp_path / "cache")
    assert second != first
    assert series(snapshot(second), "loss").count == 2


def test_a_conversion_that_was_cut_short_is_made_again(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", '{"loss": 1}\n')
    folder = opened(path, tmp_path / "cache")
    (folder.parent / kept.DONE).write_text("{")
    (folder / "rank0.jsonl").write_text('{"k":"hel')
    assert series(snapshot(opened(path, tmp_path / "cache")), "loss").count == 1


def test_the_cache_is_where_xdg_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    path = write(tmp_path / "a.jsonl", '{"loss": 1}\n')
    folder = open_source(path)
    assert folder is not None
    assert (tmp_path / "xdg" / "dlmon" / "imported") in folder.parents
    assert folder.stat().st_mode & 0o777 == 0o700


def test_runs_of_our_own_and_other_files_are_no_sources(tmp_path: Path) -> None:
    assert recognise(runs.training(tmp_path / "run")) is None
    assert recognise(tmp_path / "nothing") is None
    assert recognise(write(tmp_path / "train.py", "import torch")) is None
    assert open_source(tmp_path, tmp_path / "cache") is None


@pytest.mark.parametrize(
    ("name", "data"),
    [
        (NAME, b"not events at all, but long enough to look at"),
        ("a.jsonl", b'{"name": "x"}\n'),
        ("a.csv", b"name,other\nx,y\n"),
        ("run.wandb", wandb_file([])),
        (NAME, b""),
    ],
)
def test_a_source_without_a_number_is_one_clear_line(tmp_path: Path, name: str, data: bytes) -> None:
    path = write(tmp_path / name, data)
    with pytest.raises(UserError, match=r"no number could be read|is empty") as raised:
        open_source(path, tmp_path / "cache")
    assert str(path) in str(raised.value)


def test_a_run_comes_before_a_file_of_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    folder = runs.training(tmp_path / "dlmon_runs" / "a.csv")
    write(tmp_path / "a.csv", "step,loss\n0,1\n")
    assert run_or_source("a.csv", tmp_path / "dlmon_runs") == folder
    write(tmp_path / "train.txt", "x")
    with pytest.raises(UserError, match="no log that can be read"):
        run_or_source("train.txt", tmp_path / "dlmon_runs")


def test_a_source_that_grows_is_followed(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", '{"step": 0, "loss": 4}\n')
    following = Following(recognise(path), tmp_path / "cache")  # type: ignore[arg-type]
    try:
        folder = following.folder
        assert series(snapshot(folder), "loss").last == 4
        with path.open("a") as file:
            file.write('{"step": 1, "loss": 3}\n{"step": 2, "lo')
        wait_for(lambda: series(snapshot(folder), "loss").last == 3, "the second point")
        assert opened(path, tmp_path / "cache") == folder  # another reader shares what is being converted
        manifest = read_manifest(folder)
        assert manifest is not None
        assert manifest.supervisor_pid == os.getpid()
    finally:
        following.close()
    assert series(snapshot(opened(path, tmp_path / "cache")), "loss").count == 2


def test_an_empty_source_is_waited_for(tmp_path: Path) -> None:
    path = write(tmp_path / NAME, b"")
    following = Following(recognise(path), tmp_path / "cache")  # type: ignore[arg-type]
    try:
        write(path, event_file([(0, {"loss": 0.5})]))
        wait_for(lambda: [line.last for line in snapshot(following.folder).series] == [0.5], "the first point")
    finally:
        following.close()


def test_what_did_not_change_for_ten_minutes_does_not_grow(tmp_path: Path) -> None:
    source = recognise(write(tmp_path / "a.jsonl", "{}"))
    assert source is not None
    assert grows(source)
    assert not grows(source, time.time() + QUIET_SECONDS + 5)


def test_the_log_made_of_a_source_is_plain_json(tmp_path: Path) -> None:
    """NaN and infinities as strings, on the quick path and on the other."""
    path = write(tmp_path / "a.jsonl", '{"loss": 1, "x": 2}\n{"loss": NaN, "x": Infinity}\n{"loss": 3, "x": 4}\n')
    lines = (opened(path, tmp_path / "cache") / "rank0.jsonl").read_text().splitlines()

    def refuse(constant: str) -> None:
        raise AssertionError(constant)

    rows = [json.loads(line, parse_constant=refuse) for line in lines]
    (block,) = [row for row in rows if row["k"] == "steps"]
    assert block["loss"] == {"0": [1.0, "nan", 3.0]}
