"""Playing a run again: any moment is what was known at that moment."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from dlmon.app import replay
from dlmon.app.monitor_app import MonitorApp
from dlmon.app.recording import Recording
from dlmon.app.replay import ReplaySource, first_speed
from dlmon.app.screens.replay import ReplayMonitor
from dlmon.app.settings import settings_for
from tests.app import runs
from tests.app.screen import text_of


def loaded(folder: Path) -> Recording:
    recording = Recording(folder)
    shares = [recording.load()]
    while shares[-1] < 1:
        shares.append(recording.load())
    assert shares == sorted(shares)
    return recording


@pytest.fixture
def recording(tmp_path: Path) -> Recording:
    return loaded(runs.training(tmp_path / "run", steps=2000, block=7))


def test_the_whole_run_is_there(recording: Recording) -> None:
    assert recording.length == pytest.approx(1 + 2000 * 0.01 + 0.5)
    view = recording.seek(recording.length)
    assert view.snapshot.step == 2000
    assert view.snapshot.state == "finished"


def test_a_moment_shows_exactly_the_steps_done_by_then(recording: Recording) -> None:
    for done in (1, 2, 6, 7, 8, 500, 1999):
        second = recording.second_of_step(done - 1)
        assert second is not None
        snapshot = recording.seek(second).snapshot
        assert snapshot.step == done
        assert snapshot.series[0].last == pytest.approx(runs.loss_at(done - 1))


def test_order_of_seeking_makes_no_difference(recording: Recording) -> None:
    seconds = [random.Random(3).uniform(0, recording.length) for _ in range(40)]
    seen = {}
    for second in sorted(seconds):
        snapshot = recording.seek(second).snapshot
        seen[second] = (snapshot.step, snapshot.state, snapshot.series)
    for second in seconds:
        snapshot = recording.seek(second).snapshot
        assert (snapshot.step, snapshot.state, snapshot.series) == seen[second]


def test_before_the_first_step_and_beyond_the_end(recording: Recording) -> None:
    assert recording.seek(0.0).snapshot.step == 0
    assert recording.seek(1e9).snapshot.step == 2000
    assert recording.second_of_step(10**9) == pytest.approx(1 + 20.0)


def test_an_empty_folder_is_an_empty_recording(tmp_path: Path) -> None:
    recording = loaded(tmp_path)
    assert recording.length == 0
    assert recording.second_of_step(3) is None
    assert recording.seek(0.0).snapshot.step == 0


def test_a_crash_is_a_place_to_go_to(tmp_path: Path) -> None:
    recording = loaded(runs.training(tmp_path / "run", crashed=True))
    (found,) = [found for found in recording.findings if found.finding.id.startswith("crash.")]
    assert found.second == pytest.approx(1 + 2.0 + 0.3)
    assert recording.seek(found.second).snapshot.facts[0].crash is not None
    assert recording.seek(found.second - 0.1).snapshot.facts[0].crash is None


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def ready(folder: Path) -> tuple[ReplaySource, Clock]:
    clock = Clock()
    source = ReplaySource(folder, clock)
    frame = source.poll()
    while frame is not None and frame.playback is not None and frame.playback.loading is not None:
        frame = source.poll()
    return source, clock


def test_playing_passes_time_at_its_speed(tmp_path: Path) -> None:
    source, clock = ready(runs.training(tmp_path / "run", steps=2000))
    source.poll()
    source.change_speed(4.0)
    clock.now += 2.0
    frame = source.poll()
    assert frame is not None
    assert frame.playback is not None
    assert frame.playback.position == pytest.approx(8.0)
    assert frame.view is not None
    assert frame.view.snapshot.step == 700
    assert frame.output.lines[-1] == "step 700"
    source.toggle()
    clock.now += 2.0
    held = source.poll()
    assert held is not None
    assert held.playback is not None
    assert held.playback.position == pytest.approx(8.0)
    assert not held.playback.playing
    assert source.poll() is None, "held: nothing changes"


def test_it_stops_at_the_end_and_plays_again_from_the_start(tmp_path: Path) -> None:
    source, clock = ready(runs.training(tmp_path / "run"))
    clock.now += 100.0
    frame = source.poll()
    assert frame is not None
    assert frame.playback is not None
    assert not frame.playback.playing
    assert frame.playback.position == frame.playback.length
    source.toggle()
    frame = source.poll()
    assert frame is not None
    assert frame.playback is not None
    assert frame.playback.position == 0.0


def test_going_back_shows_less_output(tmp_path: Path) -> None:
    source, clock = ready(runs.training(tmp_path / "run", steps=200))
    clock.now += 100.0
    frame = source.poll()
    assert frame is not None
    assert len(frame.output.lines) == 8
    source.hold_at_step(60)
    frame = source.poll()
    assert frame is not None
    assert list(frame.output.lines) == ["step 25", "step 50"]
    assert frame.view is not None
    assert frame.view.snapshot.step == 60


def test_findings_one_after_the_other(tmp_path: Path) -> None:
    source, _ = ready(runs.training(tmp_path / "run", crashed=True))
    found = source.to_finding(1)
    assert found is not None
    assert source.to_finding(1) is None or source.to_finding(1) is not found
    assert source.to_finding(-1) is not found


def test_the_first_frame_does_not_wait_until_the_run_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replay, "LOAD_SECONDS", 0.0)  # a portion between two frames
    source = ReplaySource(runs.training(tmp_path / "run", steps=20_000, block=5), Clock())
    first = source.poll()
    assert first is not None and first.view is not None and first.playback is not None
    assert first.behind and first.playback.loading == 0
    assert first.view.snapshot.state != "finished"
    assert first.playback.length == pytest.approx(201.5)
    source.seek_by(100)
    shares, steps = [], []
    while (frame := source.poll()) is not None:
        assert frame.playback is not None and frame.view is not None
        shares.append(1.0 if frame.playback.loading is None else frame.playback.loading)
        steps.append(frame.view.snapshot.step)
    assert shares == sorted(shares) and shares[-1] == 1.0 and len(shares) > 3
    assert steps == sorted(steps) and steps[-1] == 20_000, "the end fills in"


def test_speeds_from_a_tenth_to_a_thousand(tmp_path: Path) -> None:
    source, _ = ready(runs.training(tmp_path / "run"))
    for factor, bound in ((0.5, 0.1), (2.0, 1000.0)):
        for _ in range(20):
            source.change_speed(factor)
        frame = source.poll()
        assert frame is not None and frame.playback is not None
        assert frame.playback.speed <= bound if factor < 1 else frame.playback.speed >= bound


def test_the_first_speed_shows_a_long_run_in_a_minute() -> None:
    assert first_speed(40.0) == 1.0
    assert first_speed(3600.0) == 64.0


async def test_keys_of_the_replay_screen(tmp_path: Path) -> None:
    folder = runs.training(tmp_path / "run", crashed=True)
    source = ReplaySource(folder, Clock())
    monitor = ReplayMonitor(settings_for(folder, ascii=False, theme=None, environ={}), source)
    app = MonitorApp(monitor, lambda: source)

    def shown() -> str:
        while (frame := source.poll()) is not None:
            monitor.show(frame)
        return text_of(monitor)

    async with app.run_test(size=(80, 24)) as pilot:
        app.feed.stop()
        assert "replay" in shown()
        await pilot.press("space")
        assert "held" in shown()
        await pilot.press("g", *"12x", "enter")
        assert "“12x” is not a step" in shown()
        await pilot.press("g", *"120", "enter")
        assert "step 120" in shown()
        await pilot.press("full_stop")
        assert "step 121" in shown()
        await pilot.press("comma", "comma")
        assert "step 119" in shown(), "each press counts, also before the next frame"
        await pilot.press("n")
        shown()
        await pilot.pause()
        assert "ValueError" in text_of(monitor)
        await pilot.press("n")
        assert "no finding after this moment" in shown()
        await pilot.press("q")
        await pilot.pause()
        assert app.return_value == 0
