"""Nothing that a script writes in a rehearsal reaches the user's files, and the script finds what it wrote."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from dlmon.rehearsal.files import written_files
from dlmon_probes import control
from dlmon_probes.stages.plan import FILES, Plan
from tests.probes.injected import environment
from tests.stages.watched import journal, rehearse, state
from tests.support import wait_for

# Each leaves the file new.txt with the text "new", or changes old.txt, in its own way.
WAYS = {
    "open": "open('new.txt', 'w').write('new')",
    "x": "open('new.txt', 'x').write('new')",
    "append": "open('old.txt', 'a').write('+'); assert open('old.txt').read() == 'old+'",
    "update": "f = open('old.txt', 'r+'); f.write('O'); f.close(); assert open('old.txt').read() == 'Old'",
    "over": "open('old.txt', 'w').write('new'); assert open('old.txt').read() == 'new'",
    "bytes": "open(b'new.txt', 'wb').write(b'new')",
    "absolute": "import os; open(os.path.abspath('new.txt'), 'w').write('new')",
    "from out": "from io import open as o; o('new.txt', 'w').write('new')",
    "pathlib": "import pathlib; pathlib.Path('new.txt').write_text('new')",
    "Path.open": "import pathlib\nwith pathlib.Path('new.txt').open('w') as f: f.write('new')",
    "os.open": "import os; fd = os.open('new.txt', os.O_WRONLY | os.O_CREAT); os.write(fd, b'new'); os.close(fd)",
    "dir_fd": "import os; d = os.open('.', os.O_RDONLY)\n"
    "fd = os.open('new.txt', os.O_WRONLY | os.O_CREAT, dir_fd=d); os.write(fd, b'new')\n"
    "assert os.stat('new.txt', dir_fd=d).st_size == 3 and 'new.txt' in os.listdir(d)",
    "chdir": "import os; os.chdir('sub'); open('../new.txt', 'w').write('new'); os.chdir('..')",
    "own folder": "import os; os.makedirs('o/p'); os.chdir('o/p'); assert os.getcwd().endswith('/o/p')\n"
    "open('../../new.txt', 'w').write('new'); assert open('../../old.txt').read() == 'old'; os.chdir('../..')",
    "shutil.copy": "import shutil; open('n', 'w').write('new'); shutil.copy('n', 'new.txt')",
    "shutil.move": "import shutil; open('n', 'w').write('new'); shutil.move('n', 'new.txt')",
    "copytree": "import shutil, os; open('sub/new.txt', 'w').write('new'); shutil.copytree('sub', 'c')\n"
    "assert sorted(os.listdir('c')) == ['kept.txt', 'new.txt']; os.replace('c/new.txt', 'new.txt')",
    "replace": "import os; open('new.tmp', 'w').write('new'); os.replace('new.tmp', 'new.txt')",
    "replace real": "import os; open('t', 'w').write('new'); os.replace('t', 'old.txt')\n"
    "assert open('old.txt').read() == 'new' and 't' not in os.listdir()",
    "rename real": "import os; os.rename('old.txt', 'was.txt'); assert not os.path.exists('old.txt')\n"
    "assert open('was.txt').read() == 'old'",
    "rename folder": "import os; os.rename('sub', 'moved'); assert os.listdir('moved') == ['kept.txt']\n"
    "assert 'sub' not in os.listdir()",
    "remove": "import os; os.remove('old.txt'); assert not os.path.exists('old.txt') and 'old.txt' not in os.listdir()",
    "rmtree": "import os, shutil; shutil.rmtree('sub'); assert not os.path.exists('sub')\n"
    "os.mkdir('sub'); assert os.listdir('sub') == []",
    "truncate": "import os; os.truncate('old.txt', 1); assert open('old.txt').read() == 'o'",
    "touch": "import pathlib; pathlib.Path('old.txt').touch(); assert pathlib.Path('old.txt').stat().st_mtime > 1e9",
    "chmod": "import os; os.chmod('old.txt', 0o600); assert os.stat('old.txt').st_mode & 0o777 == 0o600",
    "symlink": "import os; os.mkdir('r1'); os.symlink('r1', 'last'); open('last/f', 'w').write('x')\n"
    "assert open('r1/f').read() == 'x' and os.path.realpath('last').endswith('/r1')",
    "link": "import os; os.link('old.txt', 'hard'); open('hard', 'a').write('!')\n"
    "assert open('old.txt').read() == 'old!'",
    "through link": "open('way/new.txt', 'w').write('new'); assert open('sub/new.txt').read() == 'new'",
    "tempfile": "import tempfile, os; f = tempfile.NamedTemporaryFile(dir='.', delete=False)\n"
    "f.write(b'new'); f.close(); os.replace(f.name, 'new.txt')",
    "gzip": "import gzip; gzip.open('n.gz', 'wt').write('new'); assert gzip.open('n.gz', 'rt').read() in ('new', '')",
    "zipfile": "import zipfile\nwith zipfile.ZipFile('n.zip', 'w') as z: z.writestr('a', 'new')\n"
    "assert zipfile.ZipFile('n.zip').read('a') == b'new'",
    "tarfile": "import tarfile\nwith tarfile.open('n.tar', 'w') as t: t.add('old.txt')\n"
    "assert tarfile.open('n.tar').getnames() == ['old.txt']",
    "logging": "import logging; logging.basicConfig(filename='train.log'); logging.warning('new')\n"
    "assert 'new' in open('train.log').read()",
    "csv": "import csv\nwith open('log.csv', 'a', newline='') as f: csv.writer(f).writerow([1, 2])\n"
    "assert open('log.csv').read().splitlines() == ['step,loss', '1,2']",
    "shelve": "import shelve\nimport dbm.dumb\nwith shelve.Shelf(dbm.dumb.open('db')) as s: s['a'] = 1\n"
    "assert shelve.Shelf(dbm.dumb.open('db'))['a'] == 1",
    "sqlite": "import sqlite3; c = sqlite3.connect('n.db'); c.execute('create table t (x)'); c.commit(); c.close()\n"
    "assert sqlite3.connect('n.db').execute('select count(*) from t').fetchone() == (0,)",
    "child": "import subprocess, sys\n"
    "subprocess.run([sys.executable, '-c', \"open('new.txt', 'w').write('new')\"], check=True)",
    "fork": "import os\npid = os.fork()\n"
    "if not pid: open('new.txt', 'w').write('new'); os._exit(0)\nos.waitpid(pid, 0)",
    "thread": "import threading\nt = threading.Thread(target=lambda: open('new.txt', 'w').write('new'))\n"
    "t.start(); t.join()",
    "program": "import subprocess, os; os.mkdir('o'); open('o/a', 'w').write('new')\n"
    "assert subprocess.check_output(['cat', 'o/a']) == b'new'\n"
    "assert subprocess.check_output(['ls'], cwd='o') == b'a\\n'; os.rename('o/a', 'new.txt')",
}  # fmt: skip


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A folder as a user has it: files, a folder, a link, an old log, and a script beside it."""
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "kept.txt").write_text("kept")
    (tmp_path / "old.txt").write_text("old")
    os.utime(tmp_path / "old.txt", (1, 1))
    (tmp_path / "log.csv").write_text("step,loss\n")
    (tmp_path / "way").symlink_to("sub")
    return tmp_path


@pytest.mark.parametrize("way", WAYS)
def test_each_way_of_writing_leaves_the_project_as_it_was(project: Path, way: str) -> None:
    before = state(project)
    check = "\nimport os\nif os.path.exists('new.txt'): assert open('new.txt').read() == 'new'"
    run = rehearse(project, WAYS[way] + check)
    assert (run.code, run.stderr) == (0, "")
    assert state(project) == before
    assert not [row for row in journal(run) if row["how"] == "audit"]
    if "new.txt'" in WAYS[way] and way != "through link":
        assert (run.folder / (FILES + str(project)) / "new.txt").read_text() == "new"
        assert str(project / "new.txt") in [file.path for file in written_files(run.folder)]


def test_temporary_files_and_caches_are_really_written(project: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    cache = tmp_path_factory.mktemp("cache")
    run = rehearse(
        project,
        """
        import os, tempfile
        descriptor, name = tempfile.mkstemp()
        open(os.path.join(os.environ["TORCH_HOME"], "weights"), "w").close()
        print(name)
        """,
        TORCH_HOME=str(cache),
    )
    assert run.code == 0, run.stderr
    name = Path(run.stdout.strip())
    assert name.exists() and (cache / "weights").exists()
    assert journal(run) == []
    name.unlink()


def test_a_cache_within_the_project_is_really_written(project: Path) -> None:
    run = rehearse(project, "open('sub/weights', 'w').close()", TORCH_HOME=str(project / "sub"))
    assert run.code == 0, run.stderr
    assert (project / "sub" / "weights").exists() and journal(run) == []


def test_a_read_only_project_can_be_rehearsed() -> None:
    with tempfile.TemporaryDirectory() as top:  # pytest's own folders are closed to others
        project = Path(top)
        (project / "sub").mkdir()
        (project / "old.txt").write_text("old")
        (project / "old.txt").chmod(0o444)
        (project / "sub").chmod(0o555)
        project.chmod(0o755)
        before = state(project)
        run = rehearse(
            project,
            """
            import os
            if os.getuid() == 0:  # root may write everywhere: go on as nobody
                os.chown("run", 65534, 65534)
                os.setgid(65534)
                os.setuid(65534)
            try:
                posix = __import__("posix")
                posix.close(posix.open("sub/new", os.O_WRONLY | os.O_CREAT))
            except PermissionError:
                print("closed")
            open("sub/new", "w").write("x")
            open("old.txt", "a").write("+")
            print(open("old.txt").read())
            """,
        )
        assert (run.code, run.stdout) == (0, "closed\nold+\n"), run.stderr
        assert state(project) == before
        (project / "sub").chmod(0o755)


def test_what_reaches_the_disk_by_other_means_is_listed(project: Path) -> None:
    run = rehearse(
        project,
        """
        import _io, posix
        _io.FileIO("sneaked.bin", "w").write(b"xy")
        posix.mkdir("made")
        _io.FileIO("sneaked.bin", "w").write(b"xyz")
        """,
    )
    assert run.code == 0, run.stderr
    files = {Path(file.path).name: file for file in written_files(run.folder)}
    assert files["sneaked.bin"].how == "audit" and files["sneaked.bin"].stored == ""
    assert files["sneaked.bin"].bytes == 3
    assert [row["path"] for row in journal(run)] == [str(project / "sneaked.bin"), str(project / "made")]


def test_errors_name_what_the_script_named(project: Path) -> None:
    run = rehearse(
        project,
        """
        import os
        open("log.csv", "a").close()
        for call in (
            lambda: open("none/x", "w"), lambda: open("old.txt", "x"), lambda: open("sub", "w"),
            lambda: os.remove("none"), lambda: os.mkdir("sub"), lambda: os.rmdir("sub"), lambda: os.stat(b"none"),
            lambda: os.rename("none", "b"), lambda: os.listdir("old.txt"), lambda: open("none/x"),
        ):
            try:
                call()
            except OSError as error:
                print(type(error).__name__, error.filename)
        """,
    )
    assert run.stdout.split("\n")[:-1] == [
        "FileNotFoundError none/x", "FileExistsError old.txt", "IsADirectoryError sub", "FileNotFoundError none",
        "FileExistsError sub", "OSError sub", "FileNotFoundError b'none'", "FileNotFoundError none",
        "NotADirectoryError old.txt", "FileNotFoundError none/x",
    ], run.stderr  # fmt: skip


def test_open_and_os_still_look_like_themselves(project: Path) -> None:
    run = rehearse(
        project,
        """
        import builtins, copy, inspect, io, os, pickle
        assert builtins.open is io.open and pickle.loads(pickle.dumps(open)) is open
        assert pickle.loads(pickle.dumps(os.stat)) is os.stat and copy.deepcopy(os.stat) is os.stat
        assert "mode" in inspect.signature(open).parameters and "dir_fd" in inspect.signature(os.stat).parameters
        assert os.stat in os.supports_dir_fd and os.open in os.supports_dir_fd and repr(open).startswith("<built-in")
        class Holder:
            look = os.path.exists
            raw = os.listdir
        assert "old.txt" in Holder().raw(".")
        with open("new.txt", "w") as file:
            assert file.name == "new.txt" and file.mode == "w"
        """,
    )
    assert (run.code, run.stderr) == (0, "")


def test_killed_in_the_middle_the_project_is_as_it_was(project: Path) -> None:
    before = state(project)
    run = project / "run"
    run.mkdir(mode=0o700)
    control.create(str(run))
    source = """
import os, shutil
shutil.rmtree("sub")
os.remove("old.txt")
open("log.csv", "a").write("1,2")
print("there", flush=True)
number = 0
while True:
    number += 1
    open("loop.txt", "a").write(f"{number}\\n")
    os.replace("loop.txt", f"loop{number % 3}.txt")
"""
    (project / "train.py").write_text(source)
    child = subprocess.Popen(
        [sys.executable, "train.py"],
        cwd=project,
        env=environment(run, DLMON_STAGE=Plan("smoke").encoded()),
        stdout=subprocess.PIPE,
    )
    try:
        assert child.stdout is not None and child.stdout.readline() == b"there\n"
        stored = run / (FILES + str(project))
        wait_for(lambda: (stored / "loop2.txt").exists(), "the loop")
    finally:
        child.send_signal(signal.SIGKILL)
        child.communicate()
    assert state(project) == before
    assert {Path(file.path).name for file in written_files(run)} >= {"loop1.txt", "loop2.txt", "old.txt", "kept.txt"}


def test_a_script_elsewhere_than_the_working_folder_is_part_of_the_project(tmp_path: Path) -> None:
    """Both lie under the temporary folder here, which else is really written."""
    work = tmp_path / "work"
    work.mkdir()
    (tmp_path / "beside.txt").write_text("beside")
    before = state(tmp_path)
    run = rehearse(
        tmp_path,
        """
        import os, sys
        if len(sys.argv) == 1:
            os.chdir("work")
            os.execv(sys.executable, [sys.executable, "../train.py", "again"])
        open("../beside.txt", "a").write("!")
        open("here.txt", "w").close()
        """,
    )
    assert run.code == 0, run.stderr
    assert state(tmp_path) == before
    assert [Path(file.path).name for file in written_files(run.folder)] == ["beside.txt", "here.txt"]
