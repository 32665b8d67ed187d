"""Mistakes at the command line, and records that are damaged: one clear line each, never a traceback."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.support import Dlmon, ended

GOOD = "print('trained')\n"


def one_line(dlmon: Dlmon, *args: str, env: dict[str, str] | None = None, code: int = 2) -> str:
    """What a failing command says: a single line on stderr, nothing on stdout, and no run left behind."""
    done = dlmon(*args, env=env)
    assert done.returncode == code, done.stderr
    assert done.stdout == ""
    lines = done.stderr.splitlines()
    assert len(lines) == 1, done.stderr
    assert lines[0].startswith("dlmon: ")
    return lines[0]


@pytest.mark.parametrize(
    ("args", "expected"),
    [
        (["missing.py"], ["missing.py does not exist"]),
        (["gone/train.py"], ["gone/train.py does not exist", "no folder gone"]),
        (["trian.py"], ["trian.py does not exist", "did you mean train.py?"]),
        (["data.csv"], ["data.csv is neither a Python file (.py) nor executable"]),
        (["notes.ipynb"], ["notebook", "jupyter nbconvert --to script notes.ipynb"]),
        (["binary.py"], ["binary.py is not a Python file"]),
        (["src"], ["src is a directory"]),
        (["broken.py"], ["broken.py:2:", "never closed", "nothing was run"]),
        (["nocommand", "x"], ["no script and no command called nocommand"]),
        (["--python", "no/python", "train.py"], ["--python no/python", "no such file"]),
        (["--python", "/bin/true", "train.py"], ["--python /bin/true", "cannot be started as a Python"]),
        (["--overhead", "0", "train.py"], ["--overhead", "'0' is no share of step time", "above 0"]),
        (["--overhead", "150%", "train.py"], ["'150%' is no share", "up to 1"]),
        (["--overhead", "-1", "train.py"], ["'-1' is no share"]),
        (["--overhead", "little", "train.py"], ["'little' is no share"]),
        (["--overhead", "nan", "train.py"], ["'nan' is no share"]),
        (["--theme", "pink", "train.py"], ["there is no theme 'pink'", "dark"]),
        (["--no-such-option", "train.py"], ["--no-such-option"]),
        (["--headless"], ["give the script to run"]),
        (["run"], ["give the script to run"]),
        (["-m"], ["-m needs the name of a module"]),
        (["replay"], ["Missing argument"]),
        (["replay", "nosuch"], ["no run in dlmon_runs", "begins with 'nosuch'", "dlmon ls"]),
        (["attach", "nosuch"], ["begins with 'nosuch'"]),
        (["findings", "nosuch"], ["begins with 'nosuch'"]),
        (["attach"], ["there is no run in dlmon_runs yet"]),
        (["findings", "last"], ["there is no run in dlmon_runs yet"]),
        (["replay", "src/x"], ["src/x is not a run"]),
        (["ls", "--speed", "2"], ["--speed"]),
    ],
)
def test_each_mistake_is_one_line_that_says_what_to_do(dlmon: Dlmon, args: list[str], expected: list[str]) -> None:
    dlmon.script("train.py", GOOD)
    dlmon.script("broken.py", "x = 1\nprint((1\n")
    dlmon.script("data.csv", "1,2\n")
    dlmon.script("notes.ipynb", "{}")
    dlmon.script("src/keep.txt", "")
    (dlmon.cwd / "binary.py").write_bytes(b"\x93NUMPY\0\0\1")
    line = one_line(dlmon, *args)
    for part in expected:
        assert part in line
    assert not dlmon.runs.exists()


def test_a_python_without_torch(dlmon: Dlmon) -> None:
    dlmon.script("train.py", GOOD)
    bare = dlmon.cwd / "bare"
    bare.write_text("#!/bin/sh\necho 3 12 0\n")
    bare.chmod(0o755)
    line = one_line(dlmon, "--python", str(bare), "train.py")
    assert "has no torch; install it there, or name the Python that has it" in line


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_runs_folder_that_is_not_writable(dlmon: Dlmon) -> None:
    dlmon.script("train.py", GOOD)
    locked = dlmon.cwd / "locked"
    locked.mkdir(mode=0o500)
    line = one_line(dlmon, "--runs-dir", "locked", "train.py")
    assert "locked" in line
    assert "permission denied" in line
    assert "--runs-dir" in line


def test_a_runs_folder_that_cannot_be_made(dlmon: Dlmon) -> None:
    """A file is in its place: the same for root."""
    dlmon.script("train.py", GOOD)
    dlmon.script("taken", "")
    line = one_line(dlmon, "train.py", env={"DLMON_RUNS": "taken/runs"})
    assert "cannot make a run folder in taken/runs" in line
    assert "not a directory" in line
    assert "--runs-dir" in line
    assert "cannot read the runs in taken" in one_line(dlmon, "ls", "--runs-dir", "taken")


class TestDamagedRecords:
    @pytest.fixture
    def folder(self, dlmon: Dlmon) -> Path:
        assert dlmon(dlmon.script("train.py", GOOD)).returncode == 0
        ended(dlmon.folder())
        return dlmon.folder()

    def test_the_beginning_of_several_names(self, dlmon: Dlmon, folder: Path) -> None:
        dlmon("train.py")
        line = one_line(dlmon, "replay", "2")
        assert "is the beginning of 2 runs" in line
        assert folder.name in line

    def test_a_manifest_that_is_damaged(self, dlmon: Dlmon, folder: Path) -> None:
        (folder / "run.json").write_text('{"name": ')
        assert "run.json cannot be read" in one_line(dlmon, "replay", folder.name)
        assert dlmon("ls").returncode == 0

    def test_a_log_full_of_rubbish_is_read_around(self, dlmon: Dlmon, folder: Path) -> None:
        with (folder / "host.jsonl").open("ab") as log:
            log.write(b'\xff\xfe\0rubbish\n{"k":"host","t":"soon"}\n{"k":\n[]\n{"k":"of the future","t":1}\n')
            log.write(b'{"k":"output","t":1.0,"offset":')
        done = dlmon("replay", "last")
        assert done.returncode == 0
        assert done.stdout == "trained\n"
        assert "lines of the log could not be read and were left out" in done.stderr
        assert "Traceback" not in done.stderr
        assert dlmon("findings", "last", "--json").stdout == "[]\n"
        assert dlmon("ls").returncode == 0

    def test_a_log_that_is_gone(self, dlmon: Dlmon, folder: Path) -> None:
        (folder / "host.jsonl").unlink()
        (folder / "output.log").unlink()
        done = dlmon("replay", "last")
        assert done.returncode == 0
        assert "exit code 0" in done.stderr
        assert dlmon("replay", "last", "--json").stdout == ""

    def test_escape_sequences_of_a_log_do_not_reach_the_terminal(self, dlmon: Dlmon, folder: Path) -> None:
        with (folder / "output.log").open("ab") as log:
            log.write(b"\x1b]0;owned\x07\x1b[2Jvisible \x9b31m\r\n")
        with (folder / "rank0.jsonl").open("wb") as log:
            log.write(
                b'{"k":"hello","t":1,"schema":1,"role":"rank","pid":1,"host":"h"}\n'
                b'{"k":"probe_error","t":2,"probe":"x","error":"\\u001b[2J\\u009b31mred"}\n'
                b'{"k":"phase","t":3,"name":"training\\u001b[0m"}\n'
            )
        for args in (["replay", "last"], ["findings", "last", "--all"], ["ls"]):
            done = dlmon(*args)
            assert done.returncode == 0
            shown = done.stdout + done.stderr
            assert not any((ord(c) < 32 and c != "\n") or 127 <= ord(c) < 160 for c in shown)
        assert "visible" in dlmon("replay", "last").stdout
