"""A run folder as the screen reads it while it grows."""

from __future__ import annotations

from pathlib import Path

from dlmon.app.source import CLOCK_SECONDS, LiveSource
from tests.app import runs


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_it_shows_what_was_written_and_nothing_twice(tmp_path: Path) -> None:
    folder = runs.training(tmp_path / "run", steps=50)
    clock = Clock()
    source = LiveSource(folder, clock)
    frame = source.poll()
    assert frame is not None
    assert frame.view is not None
    assert frame.view.snapshot.step == 50
    assert list(frame.output.lines) == ["step 25", "step 50"]
    assert source.poll() is None, "nothing changed"
    clock.now += CLOCK_SECONDS
    later = source.poll()
    assert later is not None, "the clock goes on"
    assert later.output is frame.output
    runs.write(folder, "rank0.jsonl", [runs.steps_block(50, 5, 0.01)])
    clock.now += 0.1
    grown = source.poll()
    assert grown is not None
    assert grown.view is not None
    assert grown.view.snapshot.step == 55


def test_a_folder_that_is_still_empty_is_a_run_that_is_starting(tmp_path: Path) -> None:
    frame = LiveSource(tmp_path).poll()
    assert frame is not None
    assert frame.view is not None
    assert frame.view.snapshot.step == 0
    assert frame.output.lines == ()
