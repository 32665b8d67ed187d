"""`dlmon ls` and `dlmon compare --screen` on a real terminal."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.app.runs import training
from tests.app.terminal import Terminal
from tests.support import Dlmon

ENTER, ESC = "\r", "\x1b"


@pytest.fixture
def terminals() -> Iterator[list[Terminal]]:
    opened: list[Terminal] = []
    yield opened
    for terminal in opened:
        terminal.clean_up()


def test_from_the_list_to_runs_and_back(dlmon: Dlmon, terminals: list[Terminal]) -> None:
    for name, steps in (("20260101-a", 100), ("20260102-b", 200), ("20260103-c", 150)):
        training(dlmon.runs / name, steps=steps, crashed=name.endswith("c"))
    screen = Terminal(dlmon.cwd, "ls")
    terminals.append(screen)
    before = screen.modes()
    screen.until(r"3 runs")
    screen.until(r"▸ +20260103-c +failed +150 ")
    # In one burst, as over a slow line: no letter of the filter is lost, and none of the keys after it.
    screen.press(f"/steps<180{ENTER}  ")
    screen.until(r"2 of 3 runs +2 marked +filter: steps<180")
    screen.press("c")
    screen.until(r"train loss   2 runs")
    screen.until(r" B .. 20260101-a|B ╌╌ 20260101-a")
    screen.press("q")
    screen.until(r"2 marked +filter: steps<180")
    screen.press(ESC)
    screen.until(r"2 of 3 runs +filter: steps<180")
    screen.press("t")
    screen.until(r"tags: ")
    screen.press(f"best{ENTER}")
    screen.until(r"tags: best   note: none")
    screen.press(ENTER)
    screen.until(r"replay")
    screen.press("q")
    screen.until(r"2 of 3 runs")
    screen.press("q")
    assert screen.wait() == 0
    assert screen.modes() == before
    assert dlmon("mark", "20260101-a").stdout.startswith("tags: best")


def test_curves_over_each_other(dlmon: Dlmon, terminals: list[Terminal]) -> None:
    for name, steps in (("20260101-a", 100), ("20260102-b", 200)):
        training(dlmon.runs / name, steps=steps)
    screen = Terminal(dlmon.cwd, "compare", "--screen", "20260101", "20260102", rows=48, columns=160)
    terminals.append(screen)
    screen.until(r"train loss   2 runs")
    screen.until(r"A ── 20260101-a .*finished, 100 steps")
    screen.until(r"B ╌╌ 20260102-b .*finished, 200 steps")
    screen.press("x")
    screen.until(r"over time")
    screen.press("q")
    assert screen.wait() == 0


def test_without_a_terminal_it_is_text(dlmon: Dlmon) -> None:
    for name, steps in (("20260101-a", 100), ("20260102-b", 200)):
        training(dlmon.runs / name, steps=steps)
    shown = dlmon("compare", "--screen", "20260101", "20260102")
    assert shown.returncode == 0 and "what came of it" in shown.stdout
    assert "--screen needs a terminal" in shown.stderr
