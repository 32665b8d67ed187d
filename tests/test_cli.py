"""How a command line is taken apart, and what importing it costs."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from dlmon import __version__
from dlmon.arguments import COMMANDS, split
from tests.support import Dlmon, environment


@pytest.mark.parametrize(
    ("args", "own", "rest"),
    [
        (["train.py", "--json"], [], ["train.py", "--json"]),
        (["--json", "train.py"], ["--json"], ["train.py"]),
        (["--name", "x", "train.py", "--name", "y"], ["--name", "x"], ["train.py", "--name", "y"]),
        (["--name=x", "train.py"], ["--name=x"], ["train.py"]),
        (["--overhead", "1%", "-m", "pkg", "--help"], ["--overhead", "1%"], ["-m", "pkg", "--help"]),
        (["-mpkg", "a"], [], ["-mpkg", "a"]),
        (["--headless", "--", "ls", "-l"], ["--headless"], ["--", "ls", "-l"]),
        (["--headless"], ["--headless"], []),
    ],
)
def test_options_before_the_script_are_dlmons(args: list[str], own: list[str], rest: list[str]) -> None:
    assert split(args) == (own, rest)


SHOW = "import sys; print(sys.argv)"


@pytest.mark.parametrize("word", [[], ["run"]])
def test_everything_after_the_script_is_the_scripts(dlmon: Dlmon, word: list[str]) -> None:
    script = dlmon.script("train.py", SHOW)
    done = dlmon(*word, script, "--help", "--json", "-m", "x", "--", "ls")
    assert done.stdout == "['train.py', '--help', '--json', '-m', 'x', '--', 'ls']\n"


def test_a_module(dlmon: Dlmon) -> None:
    dlmon.script("pkg/__init__.py", "")
    dlmon.script("pkg/train.py", SHOW + "; print(__name__, __package__)")
    done = dlmon("--headless", "-m", "pkg.train", "--help")
    assert done.stdout == f"['{dlmon.cwd}/pkg/train.py', '--help']\n__main__ pkg\n"
    assert dlmon.folder().name.endswith("-train")


def test_any_command(dlmon: Dlmon) -> None:
    script = dlmon.script("train.sh", f"#!/bin/sh\necho shell $1\n'{sys.executable}' train.py \"$@\"\nexit 6\n")
    dlmon.script("train.py", SHOW)
    (dlmon.cwd / script).chmod(0o755)
    done = dlmon("./train.sh", "--json")
    assert (done.returncode, done.stdout) == (6, "shell --json\n['train.py', '--json']\n")
    assert dlmon("--", sys.executable, "train.py", "x").stdout == "['train.py', 'x']\n"


def test_a_script_that_is_called_like_a_command_is_started_with_run(dlmon: Dlmon) -> None:
    script = dlmon.cwd / "ls"
    script.write_text("#!/bin/sh\necho my own ls\n")
    script.chmod(0o755)
    assert dlmon("run", "./ls").stdout == "my own ls\n"
    assert dlmon("./ls").stdout == "my own ls\n"
    assert "no runs" not in dlmon("ls").stdout  # the command: the two runs above
    assert dlmon("run", "ls").returncode == 0  # the system's


def test_options_may_stand_before_a_commands_name(dlmon: Dlmon) -> None:
    dlmon("--runs-dir", "elsewhere", dlmon.script("train.py", SHOW))
    assert len(json.loads(dlmon("--runs-dir", "elsewhere", "ls", "--json").stdout)) == 1
    assert json.loads(dlmon("ls", "--json", env={"DLMON_RUNS": "elsewhere"}).stdout)[0]["exit_code"] == 0


def test_version_and_help() -> None:
    def run(*args: str) -> str:
        command = [sys.executable, "-m", "dlmon", *args]
        return subprocess.run(command, env=environment(), capture_output=True, text=True, check=True).stdout

    assert run("--version") == f"dlmon {__version__}\n"
    overview = run("--help")
    assert "Usage: dlmon" in overview
    for command in COMMANDS:
        assert f"  {command}" in overview
        assert f"Usage: dlmon {command}" in run(command, "--help")


@pytest.mark.parametrize("command", [["--help"], ["run", "--help"], ["replay", "--help"]])
def test_help_imports_nothing_slow(command: list[str]) -> None:
    """By what is loaded, not by the clock: each of these costs more than all of the rest."""
    code = (
        "import sys\n"
        "from dlmon.cli import invoke\n"
        f"assert invoke({command!r}) == 0\n"
        "heavy = {'textual', 'rich', 'numpy', 'msgspec', 'psutil', 'pynvml', 'torch', 'tqdm', 'asyncio'}\n"
        "sys.exit(', '.join(sorted(heavy & set(sys.modules))))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], env=environment(), capture_output=True, text=True)
    assert done.stderr.strip() in ("", "None"), done.stderr


def test_starting_a_run_imports_no_screen_before_the_training_is_on_its_way() -> None:
    """And the supervisor gets along without a screen, torch or the decoder."""
    code = (
        "import sys, dlmon.commands.run, dlmon.launch.supervisor, dlmon.headless.console\n"
        "heavy = {'textual', 'rich', 'numpy', 'msgspec', 'torch', 'asyncio'}\n"
        "sys.exit(', '.join(sorted(heavy & set(sys.modules))))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], env=environment(), capture_output=True, text=True)
    assert done.stderr.strip() == ""
