"""Which paths are really written in a rehearsal."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from dlmon_probes.stages.files import overlay_paths
from dlmon_probes.stages.files.overlay_paths import Territory
from tests.stages.watched import journal, rehearse, state


@pytest.fixture
def home(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*overlay_paths._TEMPORARY_VARIABLES, *overlay_paths._CACHE_VARIABLES, overlay_paths.PROJECT):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", "/home/me")


@pytest.mark.usefixtures("home")
def test_the_longest_folder_that_holds_a_path_decides(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HOME", "/home/me/project/hub")
    place = Territory("/home/me/project/dlmon_runs/one", ("/home/me/project", "/tmp/copy"))
    really = {
        "/tmp/x", "/tmp/copying", "/var/tmp/x", "/dev/shm/x", "/home/me/.cache/torch/x", "/home/me/project/hub/model",
        "/home/me/project/dlmon_runs/one/rank0.jsonl", "/home/me/project/pkg/__pycache__/m.pyc",
        "/home/me/project/.venv/lib/python3.11/site-packages/m.py",
    }  # fmt: skip
    overlaid = {
        "/home/me/project/x", "/home/me/project", "/tmp/copy/x", "/home/me/other/x", "/home/me/.cached/x",
        "/home/me/project/dlmon_runs/two/x", "/home/me/project/hubert", "/etc/x", "/tmpx",
    }  # fmt: skip
    assert {path for path in really | overlaid if place.passes(path)} == really


@pytest.mark.usefixtures("home")
def test_compiled_modules_and_packages_are_not_really_removed() -> None:
    place = Territory("/p/run", ("/p",))
    assert place.passes("/p/__pycache__/m.pyc") and not place.passes("/p/__pycache__/m.pyc", removing=True)
    assert not place.passes("/p/.venv/lib/site-packages/m.py", removing=True)
    assert place.passes("/home/me/.cache/x", removing=True)


@pytest.mark.usefixtures("home")
def test_the_first_process_says_what_the_project_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script = tmp_path / "code" / "train.py"
    script.parent.mkdir()
    script.touch()
    monkeypatch.setattr(overlay_paths, "_command_line", lambda: ["python", "-u", "code/train.py", "--x", "other.py"])
    monkeypatch.setenv(overlay_paths.PROJECT, "")
    first = overlay_paths.project_folders(str(tmp_path))
    assert first == (str(tmp_path), str(script.parent))
    assert overlay_paths.project_folders("/elsewhere") == first  # a child, in another folder


@pytest.mark.usefixtures("home")
def test_a_project_that_is_the_temporary_folder_gets_another_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", "/tmp")
    overlay_paths.keep_temporary_files_apart(("/tmp/project",))
    assert os.environ["TMPDIR"] == "/tmp"
    overlay_paths.keep_temporary_files_apart(("/tmp",))
    assert os.environ["TMPDIR"] == "/var/tmp"
    assert not Territory("/tmp/run", ("/tmp",)).passes("/tmp/x")


def test_a_file_too_large_to_copy_is_changed_and_listed(tmp_path: Path) -> None:
    (tmp_path / "large.bin").write_bytes(b"0123456789")
    (tmp_path / "small.bin").write_bytes(b"01234")
    run = rehearse(
        tmp_path,
        """
        from dlmon_probes.stages.files import overlay_copy
        overlay_copy.MOST = 8
        for name in ("large.bin", "small.bin"):
            with open(name, "ab") as file:
                file.write(b"+")
        open("large.bin", "wb").close()  # nothing of it is needed: not copied, and not lost
        """,
    )
    assert run.code == 0, run.stderr
    assert (tmp_path / "large.bin").read_bytes() == b"0123456789+"
    assert (tmp_path / "small.bin").read_bytes() == b"01234"
    rows = [(Path(row["path"]).name, row["stored"] == "") for row in journal(run)]
    assert rows == [("large.bin", True), ("small.bin", False), ("large.bin", False)]


def test_if_the_overlay_fails_reading_goes_on_and_writing_is_refused(tmp_path: Path) -> None:
    (tmp_path / "old.txt").write_text("old")
    before = state(tmp_path)
    run = rehearse(
        tmp_path,
        """
        import os
        open("begun", "w").close()
        from dlmon_probes.stages.files.overlay_tree import Tree
        def broken(*args, **kwargs):
            raise ZeroDivisionError("a bug")
        Tree.canonical = broken
        print(open("old.txt").read(), os.path.getsize("old.txt"), len(os.listdir()))
        for call in (lambda: open("old.txt", "w"), lambda: os.remove("old.txt"), lambda: os.rename("old.txt", "b"),
                     lambda: os.mkdir("c"), lambda: os.truncate("old.txt", 0)):
            try:
                call()
            except OSError as error:
                print(error.errno, error.filename)
        """,
    )
    assert run.code == 0, run.stderr
    assert run.stdout.splitlines() == ["old 3 3", *["5 old.txt"] * 3, "5 c", "5 old.txt"]
    assert state(tmp_path) == before
