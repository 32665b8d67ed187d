"""`dlmon explain` as it is typed."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from dlmon.cli import invoke
from dlmon.explain import pages

ROOT = Path(__file__).parents[2]


def test_a_page(capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    assert invoke(["explain", "loop.no_zero_grad"]) == 0
    shown = capsysbinary.readouterr().out.decode()
    assert shown.startswith("loop.no_zero_grad: ")
    assert "How to fix\n" in shown
    assert "    optimizer.zero_grad()\n" in shown


def test_all_that_can_be_explained(capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    assert invoke(["explain", "--list"]) == 0
    shown = capsysbinary.readouterr().out.decode()
    assert {line.split()[0] for line in shown.splitlines() if line} == set(pages.all_ids())


def test_the_language_of_conditions(capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    assert invoke(["explain", "conditions"]) == 0
    shown = capsysbinary.readouterr().out.decode()
    assert "val_loss.stale(5)" in shown
    assert "grad_norm " in shown


def test_an_unknown_id_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert invoke(["explain", "loop.no_zerograd"]) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.startswith("dlmon: there is no finding loop.no_zerograd; did you mean loop.no_zero_grad")
    assert shown.err.count("\n") == 1


@pytest.mark.slow
def test_an_installed_dlmon_has_the_pages(tmp_path: Path) -> None:
    pytest.importorskip("hatchling", reason="the wheel is built with hatchling")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "site")
    code = "from dlmon.explain import pages; print(pages.folder()); print(*pages.all_ids())"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env={"PYTHONPATH": str(tmp_path / "site")}, check=True,
        capture_output=True, text=True,
    )  # fmt: skip
    place, ids = done.stdout.splitlines()
    assert place == str(tmp_path / "site/dlmon/explain/pages")
    assert ids.split() == pages.all_ids()
