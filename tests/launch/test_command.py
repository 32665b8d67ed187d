"""From what was typed to what is started."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from dlmon.errors import UserError
from dlmon.launch import interpreter
from dlmon.launch.command import build


@pytest.fixture(autouse=True)
def in_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in ("VIRTUAL_ENV", "CONDA_PREFIX"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "train.py").write_text("print('hi')\n")
    return tmp_path


def executable(path: Path, text: str = "#!/bin/sh\nexit 0\n") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)
    return path


def test_a_script_is_run_by_python_itself_with_its_own_arguments() -> None:
    command = build(["train.py", "--lr", "0.1", "--json"])
    assert command.child == (sys.executable, "train.py", "--lr", "0.1", "--json")
    assert command.argv == ("train.py", "--lr", "0.1", "--json")
    assert (command.stem, command.script, command.python) == ("train", Path("train.py"), sys.executable)


def test_a_module_is_run_with_m() -> None:
    command = build(["--epochs", "3"], module="pkg.trainer")
    assert command.child == (sys.executable, "-m", "pkg.trainer", "--epochs", "3")
    assert command.stem == "trainer"


def test_a_launcher_is_found_on_path_and_the_run_is_named_after_the_script(
    in_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    launcher = executable(in_folder / "bin" / "mylaunch")
    monkeypatch.setenv("PATH", str(launcher.parent))
    command = build(["mylaunch", "--nproc-per-node", "2", "train.py"])
    assert command.child == (str(launcher), "--nproc-per-node", "2", "train.py")
    assert (command.stem, command.script, command.python) == ("train", Path("train.py"), None)


def test_a_launcher_beside_the_named_python_comes_before_path(in_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = executable(in_folder / "env" / "bin" / "mylaunch")
    executable(in_folder / "bin" / "mylaunch")
    monkeypatch.setenv("PATH", str(in_folder / "bin"))
    assert build(["mylaunch"], python=str(in_folder / "env" / "bin" / "python")).child == (str(wanted),)


def test_after_two_dashes_a_python_file_is_a_command(in_folder: Path) -> None:
    executable(in_folder / "train.py", "#!/usr/bin/env python3\n")
    assert build(["./train.py", "x"], literal=True).child == ("./train.py", "x")


def test_a_folder_with_a_main_is_run_like_python_does(in_folder: Path) -> None:
    (in_folder / "pkg").mkdir()
    (in_folder / "pkg" / "__main__.py").write_text("pass\n")
    command = build(["pkg"])
    assert command.child == (sys.executable, "pkg")
    assert command.script == Path("pkg/__main__.py")


@pytest.mark.parametrize(
    ("argv", "expected"),
    [
        ([], "give the script"),
        (["trian.py"], "did you mean train.py?"),
        (["no/such/train.py"], "there is no folder no/such"),
        (["data"], "data is a directory"),
        (["data.csv"], "neither a Python file (.py) nor executable"),
        (["run.ipynb"], "jupyter nbconvert"),
        (["train"], "did you mean train.py?"),
        (["nosuchcommand"], "no script and no command called nosuchcommand"),
        (["./gone.sh"], "./gone.sh does not exist".removeprefix("./")),
    ],
)
def test_what_cannot_be_started_is_said_in_one_line(in_folder: Path, argv: list[str], expected: str) -> None:
    (in_folder / "data").mkdir()
    (in_folder / "data.csv").write_text("1,2\n")
    (in_folder / "run.ipynb").write_text("{}")
    with pytest.raises(UserError) as caught:
        build(argv)
    assert expected in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_syntax_error_is_named_with_its_line(in_folder: Path) -> None:
    (in_folder / "bad.py").write_text("x = 1\nif x\n    pass\n")
    with pytest.raises(UserError, match=r"^bad\.py:2:5: expected ':' in `if x`"):
        build(["bad.py"])


def test_binary_data_called_py_is_not_python(in_folder: Path) -> None:
    (in_folder / "weights.py").write_bytes(b"\x80\x02\0\0\0binary")
    with pytest.raises(UserError, match=r"weights\.py is not a Python file"):
        build(["weights.py"])


class TestInterpreter:
    """Which Python is chosen. Pythons are shell scripts here that answer the question as a real one would."""

    @staticmethod
    def python(path: Path, *, torch: bool, version: str = "3 12") -> Path:
        return executable(path, f"#!/bin/sh\necho {version} {int(torch)}\n")

    def test_the_active_environment_comes_before_dlmons_own_python(
        self, in_folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        theirs = self.python(in_folder / "env/bin/python", torch=True)
        monkeypatch.setenv("VIRTUAL_ENV", str(in_folder / "env"))
        chosen = interpreter.choose(None)
        assert (chosen.path, chosen.version, chosen.why) == (str(theirs), (3, 12), "active VIRTUAL_ENV")

    def test_an_active_environment_without_torch_is_passed_over(
        self, in_folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        self.python(in_folder / "env/bin/python", torch=False)
        monkeypatch.setenv("CONDA_PREFIX", str(in_folder / "env"))
        assert interpreter.choose(None).path == sys.executable

    def test_dlmon_in_an_environment_of_its_own_finds_the_python_of_the_shebang_then_of_path(
        self, in_folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(interpreter.importlib.util, "find_spec", lambda name: None)
        on_path = self.python(in_folder / "bin/python3", torch=True)
        monkeypatch.setenv("PATH", f"{in_folder / 'bin'}:/usr/bin:/bin")
        script = in_folder / "train.py"
        assert interpreter.choose(None, script).path == str(on_path)
        named = self.python(in_folder / "other/python3.12", torch=True)
        script.write_text(f"#!{named}\n")
        assert interpreter.choose(None, script).path == str(named)

    def test_a_project_with_a_virtual_environment_that_is_not_active(
        self, in_folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(interpreter.importlib.util, "find_spec", lambda name: None)
        theirs = self.python(in_folder / ".venv/bin/python", torch=True)
        assert interpreter.choose(None).path == str(theirs)

    def test_no_torch_anywhere_names_the_pythons_that_were_looked_at(
        self, in_folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(interpreter.importlib.util, "find_spec", lambda name: None)
        monkeypatch.setenv("PATH", str(in_folder / "empty"))
        with pytest.raises(UserError) as caught:
            interpreter.choose(None)
        assert sys.executable in str(caught.value)
        assert "--python" in str(caught.value)

    @pytest.mark.parametrize(
        ("torch", "version", "expected"),
        [(False, "3 12", "has no torch"), (True, "3 8", "is Python 3.8; the probes need 3.9 or newer")],
    )
    def test_the_named_python_is_taken_or_refused_never_replaced(
        self, in_folder: Path, torch: bool, version: str, expected: str
    ) -> None:
        path = self.python(in_folder / "py", torch=torch, version=version)
        with pytest.raises(UserError, match=expected):
            interpreter.choose(str(path))

    def test_a_python_that_is_none(self, in_folder: Path) -> None:
        with pytest.raises(UserError, match="there is no such file"):
            interpreter.choose("no/such/python")
        with pytest.raises(UserError, match="cannot be started as a Python"):
            interpreter.choose(str(executable(in_folder / "py")))

    @pytest.mark.parametrize(
        ("line", "expected"),
        [
            ("#!/usr/bin/env python3", True),
            ("#!/usr/bin/env -S python3 -u", True),
            ("#!/bin/bash", False),
            ("import torch", False),
        ],
    )
    def test_shebang(self, in_folder: Path, monkeypatch: pytest.MonkeyPatch, line: str, expected: bool) -> None:
        path = self.python(in_folder / "bin/python3", torch=True)
        monkeypatch.setenv("PATH", str(in_folder / "bin"))
        script = in_folder / "s.py"
        script.write_text(line + "\n")
        assert interpreter.shebang(script) == (str(path) if expected else None)
