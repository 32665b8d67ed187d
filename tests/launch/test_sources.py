"""Which files belong to a script, and the state of its repository."""

from __future__ import annotations

import subprocess
from pathlib import Path

from dlmon.launch import sources
from dlmon.record import layout


def write(root: Path, **files: str) -> None:
    for name, text in files.items():
        path = root / (name.replace("__", "/") + ".py")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def names(paths: list[Path], root: Path) -> set[str]:
    return {str(path.relative_to(root)) for path in paths}


def test_local_imports_are_followed_and_others_are_not(tmp_path: Path) -> None:
    write(
        tmp_path,
        train="import torch, os\nimport model\nfrom lib.data import load\nfrom lib import extra\nimport json",
        model="def f():\n    from helpers import late\n",
        helpers="",
        lib__data="from . import common\nfrom .sub.deep import x",
        lib__common="",
        lib__extra="",
        lib__sub__deep="",
        unused="",
    )
    (tmp_path / "lib" / "__init__.py").write_text("")
    found = names(sources.local_sources(tmp_path / "train.py", tmp_path), tmp_path)
    assert found == {
        "train.py", "model.py", "helpers.py", "lib/__init__.py", "lib/data.py", "lib/common.py", "lib/extra.py",
        "lib/sub/deep.py",
    }  # fmt: skip


def test_files_that_cannot_be_read_as_python_end_the_search_there(tmp_path: Path) -> None:
    write(tmp_path, train="import broken\nimport gone\nfrom ....too import far", broken="def (")
    assert names(sources.local_sources(tmp_path / "train.py", tmp_path), tmp_path) == {"train.py", "broken.py"}


def test_modules_that_import_each_other_are_taken_once(tmp_path: Path) -> None:
    write(tmp_path, train="import a", a="import b", b="import a, train")
    assert len(sources.local_sources(tmp_path / "train.py", tmp_path)) == 3


def test_the_number_of_files_is_bounded(tmp_path: Path) -> None:
    count = sources.MOST_FILES + 20
    write(tmp_path, train="".join(f"import m{i}\n" for i in range(count)), **{f"m{i}": "" for i in range(count)})
    assert len(sources.local_sources(tmp_path / "train.py", tmp_path)) == sources.MOST_FILES


def test_copies_keep_their_places(tmp_path: Path) -> None:
    work, run = tmp_path / "work", tmp_path / "run"
    run.mkdir()
    write(work, src__train="import model", src__model="x = 1")
    assert sources.copy_sources(work / "src" / "train.py", work, run) == 2
    assert (run / layout.SOURCE / "src" / "model.py").read_text() == "x = 1"


def test_a_script_outside_the_working_folder_stays_inside_the_run_folder(tmp_path: Path) -> None:
    run = tmp_path / "run"
    run.mkdir()
    write(tmp_path, elsewhere__train="pass")
    (tmp_path / "work").mkdir()
    sources.copy_sources(tmp_path / "elsewhere" / "train.py", tmp_path / "work", run)
    assert (run / layout.SOURCE / "train.py").exists()


def git(folder: Path, *args: str) -> None:
    identity = ["-c", "user.name=a", "-c", "user.email=a@example.org"]
    subprocess.run(["git", *identity, *args], cwd=folder, check=True, capture_output=True)


def test_commit_and_changes_are_recorded(tmp_path: Path) -> None:
    work, run = tmp_path / "work", tmp_path / "run"
    run.mkdir()
    write(work, train="lr = 0.1\n")
    git(work, "init", "-q")
    git(work, "add", ".")
    git(work, "commit", "-q", "-m", "first")
    clean = sources.git_state(work, run)
    assert clean is not None
    assert (len(clean.commit), clean.dirty, clean.diff_file) == (40, False, "")
    write(work, train="lr = 10\n")
    changed = sources.git_state(work, run)
    assert changed is not None
    assert (changed.dirty, changed.diff_file) == (True, layout.GIT_DIFF)
    assert "+lr = 10" in (run / layout.GIT_DIFF).read_text()


def test_outside_a_repository_there_is_nothing_to_say(tmp_path: Path) -> None:
    assert sources.git_state(tmp_path, tmp_path) is None
