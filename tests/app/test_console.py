"""The raw console on a real terminal: prompts, a debugger, Ctrl-C, resizing, and the way back."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from dlmon.record.manifest import read_manifest
from tests.app.terminal import Terminal
from tests.support import Dlmon, ended, kill, output, wait_for

# No torch: the console knows nothing of trainings, and importing it would take most of the test's time.
ASKS = """\
import os, signal, sys, time
name = input("your name? ")
print("hello", name, os.get_terminal_size().lines, flush=True)
try:
    while True:
        time.sleep(0.05)
except KeyboardInterrupt:
    print("interrupted, columns", os.get_terminal_size().columns, flush=True)
secret = 41
breakpoint()
print("went on", flush=True)
input("last words? ")
sys.exit(5)
"""
READY = "checks waiting for facts"  # the screen has read the run: keys are taken from here on
CTRL_C, WAY_BACK = "\x03", "\x1d"


@pytest.fixture
def terminals(dlmon: Dlmon) -> Iterator[list[Terminal]]:
    """Terminals, and the runs that they leave, are ended with the test."""
    opened: list[Terminal] = []
    yield opened
    for terminal in opened:
        terminal.clean_up()
    for path in dlmon.runs.glob("*/run.json"):
        manifest = read_manifest(path.parent)
        if manifest is not None and manifest.outcome is None:
            for pid in (manifest.pid, manifest.supervisor_pid):
                kill(pid)


def test_a_prompt_a_debugger_and_ctrl_c(dlmon: Dlmon, terminals: list[Terminal]) -> None:
    dlmon.script("train.py", ASKS)
    screen = Terminal(dlmon.cwd, "train.py")
    terminals.append(screen)
    folder = dlmon.folder()
    wait_for(lambda: "your name?" in output(folder), "the prompt")
    screen.until(READY)
    modes = screen.modes()

    screen.press("i")
    shown = screen.until("your name\\?")
    assert "Ctrl-] back to dlmon" in shown.splitlines()[-1]
    assert b"Ctrl-] comes back\x07" in screen.raw  # the terminal's title
    screen.press("Ada\r")
    screen.until("hello Ada 23")  # one row is the bar's
    screen.press(CTRL_C)
    screen.until("interrupted, columns 80")
    screen.until("\\(Pdb\\)")
    screen.press("p secret + 1\r")
    screen.until("^42$")
    screen.press("c\r")
    screen.until("went on")

    screen.press(WAY_BACK)
    screen.until("back from the console")
    assert "Ctrl-] back" not in screen.text()
    assert screen.modes() == modes
    screen.press("i")
    screen.until("last words\\?")
    screen.press("\r")
    screen.until("the training has ended")
    assert ended(folder).outcome is not None
    screen.press("q")
    assert screen.wait() == 5
    assert b"\x1b[24;1H\x1b[2K" in screen.raw, "the bar was taken away: it would stand in the shell afterwards"
    for line in ("hello Ada", "(Pdb) p secret + 1", "went on", "interrupted"):
        assert line in output(folder)  # what other screens and the record see


def test_the_terminal_is_restored_when_the_screen_is_ended_by_a_signal(dlmon: Dlmon, terminals: list[Terminal]) -> None:
    dlmon.script("train.py", ASKS)
    screen = Terminal(dlmon.cwd, "train.py")
    terminals.append(screen)
    before = screen.modes()
    screen.until(READY)
    screen.press("i")
    screen.until("Ctrl-] back to dlmon")
    screen.process.terminate()
    screen.wait()
    assert screen.modes() == before
    assert screen.raw.rindex(b"\x1b[23;0t") > screen.raw.rindex(b"\x1b[22;0t")  # the old title


def test_the_training_learns_of_a_new_size(dlmon: Dlmon, terminals: list[Terminal]) -> None:
    dlmon.script("train.py", ASKS)
    screen = Terminal(dlmon.cwd, "train.py")
    terminals.append(screen)
    screen.until(READY)
    screen.press("i")
    screen.until("your name\\?")
    screen.resize(30, 100)
    shown = screen.until("\\A(?:[^\n]*\n){29}[^\n]*Ctrl-\\] back to dlmon")
    assert shown.count("Ctrl-] back") == 1
    screen.press("Ada\r")
    screen.until("hello Ada 29")
