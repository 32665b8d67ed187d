"""The pack as a whole: its files, that it is deterministic, and that it replaces nothing but a pack."""

from __future__ import annotations

import csv
import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from dlmon.errors import UserError
from dlmon.report import curves, write
from dlmon.report.tables import MODEL_COMPARISON, TRAINING_LOG
from tests.report.logs import classifier, finished, pack_of, rows_of
from tests.report.logs import write as write_run

NAMED = {
    "README.md", "manifest.json", "report.html", "checkpoints/best.json",
    "outputs/training_log.csv", "outputs/model_comparison.csv", "outputs/confusion_matrix.csv",
    "outputs/error_samples.csv", "outputs/metrics_summary.json",
    "reports/shape_trace.md", "reports/debug_checklist.md", "reports/findings.md",
}  # fmt: skip
PICTURES = {
    f"curves/{name}.png"
    for name in ("loss", "accuracy", "lr", "gradient_norms", "memory", "utilisation", "phase_times", "confusion_matrix")
}


def python(code: str, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), **more}
    return subprocess.run([sys.executable, "-c", code, *arguments], env=env, capture_output=True, text=True)


@pytest.fixture
def no_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(curves, "available", lambda: False)  # they take a second or two


def test_files_and_digests(tmp_path: Path) -> None:
    target = tmp_path / "pack"
    listed = write.write(pack_of(finished(tmp_path)), target)
    there = {path.relative_to(target).as_posix() for path in target.rglob("*") if path.is_file()}
    assert there == set(listed) == NAMED | (PICTURES if curves.available() else set())
    row = json.loads((target / "manifest.json").read_text())
    assert set(row["files"]) == there - {"manifest.json"}
    for path, told in row["files"].items():
        assert hashlib.sha256((target / path).read_bytes()).hexdigest() == told["sha256"]
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]  # no scratch is left


def test_columns(no_pictures: None, tmp_path: Path) -> None:
    made = write.files(pack_of(finished(tmp_path)))
    assert tuple(rows_of(made["outputs/training_log.csv"])[0]) == TRAINING_LOG
    assert tuple(rows_of(made["outputs/model_comparison.csv"])[0]) == MODEL_COMPARISON


def test_the_same_log_gives_the_same_bytes(tmp_path: Path) -> None:
    folder = finished(tmp_path)
    first = write.files(pack_of(folder))
    assert write.files(pack_of(folder)) == first
    # In another process, with another locale, time zone and order of hashing.
    script = (
        "import sys, hashlib\nfrom pathlib import Path\nfrom dlmon.report.write import files\n"
        "from tests.report.logs import pack_of\n"
        "for name, data in sorted(files(pack_of(Path(sys.argv[1]))).items()):\n"
        "    print(name, hashlib.sha256(data).hexdigest())\n"
    )
    done = python(script, str(folder), PYTHONHASHSEED="7", LC_ALL="C", TZ="Asia/Tokyo")
    told = dict(line.split() for line in done.stdout.splitlines())
    assert told == {name: hashlib.sha256(data).hexdigest() for name, data in first.items()}, done.stderr


def test_a_pack_is_replaced_and_anything_else_is_not(no_pictures: None, tmp_path: Path) -> None:
    made = pack_of(finished(tmp_path))
    target = tmp_path / "pack"
    write.write(made, target)
    (target / "README.md").write_text("old")
    write.write(made, target)
    assert (target / "README.md").read_text().startswith("# Evidence")
    (target / "notes.txt").write_text("mine")
    with pytest.raises(UserError, match="not empty"):
        write.write(made, target)
    assert (target / "notes.txt").read_text() == "mine"
    with pytest.raises(UserError, match="not a folder"):
        write.write(made, target / "notes.txt")
    empty = tmp_path / "empty"
    empty.mkdir()
    write.write(made, empty)
    assert (empty / "manifest.json").exists()


def test_without_matplotlib_everything_else_is_there(no_pictures: None, tmp_path: Path) -> None:
    listed = write.write(pack_of(finished(tmp_path), notes=[write.NO_PICTURES]), tmp_path / "pack")
    assert set(listed) == NAMED
    assert "Matplotlib is not installed" in (tmp_path / "pack" / "README.md").read_text()
    assert "<polyline" in (tmp_path / "pack" / "report.html").read_text()


def test_a_cell_is_never_a_formula(no_pictures: None, tmp_path: Path) -> None:
    data = write.files(pack_of(finished(tmp_path)))["outputs/confusion_matrix.csv"]
    rows = list(csv.reader(data.decode().splitlines()))
    assert rows[0] == ["actual", "3", "8", "'=1+1"]
    assert rows[1:] == [["3", "16", "4", "0"], ["8", "3", "12", "1"], ["'=1+1", "0", "0", "14"]]


def test_importing_the_command_loads_no_picture_maker() -> None:
    code = (
        "import sys, dlmon.cli, dlmon.commands.report, dlmon.report.write\n"
        "print([name for name in ('matplotlib', 'numpy', 'textual', 'torch') if name in sys.modules])"
    )
    done = python(code)
    assert done.stdout.strip() == "[]", done.stderr


def test_the_command(no_pictures: None, tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    from dlmon.commands.report import report

    folder = finished(tmp_path / "runs")
    place = tmp_path / "runs" / "flat"
    other = write_run(classifier(place, cls="Sequential", base=1.2).exit(0), place)
    assert report([folder.name, other.name], tmp_path / "runs", output=None, as_json=True) == 0
    row = json.loads(capfdbinary.readouterr().out)
    assert row["folder"] == str(folder / "report") and "report.html" in row["files"]
    names = [line["name"] for line in rows_of((folder / "report" / "outputs/model_comparison.csv").read_bytes())]
    assert names == ["TinyCNN", "Sequential(Flatten, Linear)"]
    with pytest.raises(UserError, match="named twice"):
        report([folder.name, folder.name], tmp_path / "runs", output=None, as_json=True)
    with pytest.raises(UserError, match="no run"):
        report(["nothing"], tmp_path / "runs", output=None, as_json=True)


def test_another_tools_log(no_pictures: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from dlmon.commands.report import report

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    log = tmp_path / "metrics.csv"
    log.write_text("step,train_loss,val_loss\n" + "".join(f"{n},{1 / n},{2 / n}\n" for n in range(1, 30)))
    with pytest.raises(UserError, match="say where the pack goes with -o"):
        report([str(log)], tmp_path / "runs", output=None, as_json=True)
    assert report([str(log)], tmp_path / "runs", output=str(tmp_path / "pack"), as_json=True) == 0
    readme = (tmp_path / "pack" / "README.md").read_text()
    assert "not recorded: the command" in readme and "came to an end" in readme
