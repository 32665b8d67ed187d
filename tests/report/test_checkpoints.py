"""Which file is taken for the best checkpoint, and what is said of it."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from dlmon.report.checkpoints import best_checkpoint, loads_in_a_process
from dlmon.report.collect import collect
from dlmon.report.evidence import Evidence
from tests.report.logs import START, classifier, write


def saved(tmp_path: Path, name: str, at: float, data: bytes = b"weights") -> Path:
    """A file in the run's working folder, written `at` seconds after the start of the run."""
    path = tmp_path / "work" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    os.utime(path, (START + at, START + at))
    return path


@pytest.fixture
def run(tmp_path: Path) -> Evidence:
    """Evaluations 2.0, 3.0 and 4.0 s after the start, with losses 0.9, 0.8 and 0.7."""
    return collect(write(classifier(tmp_path / "run").exit(0), tmp_path / "run"))


def never(path: Path) -> tuple[str, str]:
    return "not checked", "not in this test"


def test_by_name(run: Evidence, tmp_path: Path) -> None:
    saved(tmp_path, "last.pt", 4.0)
    best = saved(tmp_path, "out/best_model.pt", 2.0, b"the best")
    found = best_checkpoint(run, never)
    assert (found.path, found.bytes, found.chosen, found.others) == ("out/best_model.pt", 8, "its name says best", 1)
    assert found.sha256 == hashlib.sha256(best.read_bytes()).hexdigest()


def test_by_the_time_of_the_best_evaluation(run: Evidence, tmp_path: Path) -> None:
    for epoch in range(3):
        saved(tmp_path, f"epoch{epoch}.pt", 2.01 + epoch)
    found = best_checkpoint(run, never)
    assert (found.path, found.chosen) == ("epoch2.pt", "written after the best evaluation, at step 30")


def test_only_files_of_the_time_of_the_run(run: Evidence, tmp_path: Path) -> None:
    saved(tmp_path, "older.pt", -3600)
    saved(tmp_path, "newer.pt", 3600)
    saved(tmp_path, "dlmon_runs/x/best.pt", 3.0)
    saved(tmp_path, ".cache/best.pt", 3.0)
    saved(tmp_path, "notes.txt", 3.0)
    found = best_checkpoint(run, never)
    assert not found.found and found.why == "no checkpoint in the working folder is of the time of this run"


def test_a_link_is_not_followed(run: Evidence, tmp_path: Path) -> None:
    target = tmp_path / "secret.pt"
    target.write_bytes(b"x")
    os.utime(target, (START + 3, START + 3))
    (tmp_path / "work" / "best.pt").symlink_to(target)
    assert not best_checkpoint(run, never).found


def test_the_working_folder_is_gone(tmp_path: Path) -> None:
    gone = write(classifier(tmp_path / "run").exit(0), tmp_path / "run", cwd=str(tmp_path / "gone"))
    assert best_checkpoint(collect(gone), never).why == "the run's working folder is not here"


def test_the_log_does_not_choose_the_python(run: Evidence, tmp_path: Path) -> None:
    """A manifest may name any program as its Python: it is not started."""
    trap = tmp_path / "python"
    trap.write_text(f"#!/bin/sh\ntouch {tmp_path}/sprung\n")
    trap.chmod(0o755)
    folder = write(classifier(tmp_path / "other").exit(0), tmp_path / "other", python=str(trap), command=[str(trap)])
    saved(tmp_path, "best.safetensors", 3.0)
    assert best_checkpoint(collect(folder)).loads == "not checked"
    saved(tmp_path, "best.pt", 3.5, b"no checkpoint")
    assert best_checkpoint(collect(folder)).loads == "no"
    assert not (tmp_path / "sprung").exists()


def test_loading(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    good, code = tmp_path / "good.pt", tmp_path / "code.pt"
    torch.save({"weight": torch.zeros(2)}, good)
    torch.save({"path": Path("x"), "call": print}, code)
    assert loads_in_a_process(good) == ("yes", "torch.load with weights_only=True")
    assert loads_in_a_process(code)[0] == "no"  # it would run what it holds
