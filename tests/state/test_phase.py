from __future__ import annotations

import os
import socket
import subprocess
import sys

from dlmon.record.manifest import Manifest, Outcome, write_manifest
from dlmon.state import snapshot as words
from dlmon.state.phase import Clues, Liveness, end_of, living
from dlmon_probes import events
from tests.builders import START, Story


def exit_event(code: int, signal: str = "") -> events.Exit:
    return events.Exit(t=10.0, code=code, seconds=1.0, signal=signal)


def test_the_words_for_an_end() -> None:
    def word(code: int, signal: str = "", **clues: object) -> str:
        return end_of(Clues(now=0.0, exit=exit_event(code, signal), **clues))[0]  # type: ignore[arg-type]

    assert word(0) == words.FINISHED
    assert word(1) == words.FAILED
    assert word(137, "SIGKILL") == words.FAILED
    assert word(137, "SIGKILL", stop_requested=True) == words.STOPPED
    assert word(143, "SIGTERM") == word(130) == words.STOPPED
    assert word(139, "SIGSEGV") == words.FAILED


def test_a_stall_needs_time_and_the_absence_of_every_sign() -> None:
    def state(**clues: object) -> tuple[str, str]:
        return living(Clues(phase="training", step=9, median=0.5, **clues))  # type: ignore[arg-type]

    assert state(now=129.0, progressed=100.0)[0] == words.TRAINING
    assert state(now=131.0, progressed=100.0) == (words.STALLED, "no step for 31 s, usually 500 ms")
    slow = living(Clues(now=131.0, progressed=100.0, phase="training", step=9, median=20.0))
    assert slow[0] == words.TRAINING
    assert living(Clues(now=900.0, progressed=100.0, phase="evaluating", step=9, median=0.5))[0] == words.EVALUATING
    assert living(Clues(now=900.0, progressed=100.0, phase="paused", step=9, median=0.5))[0] == words.PAUSED


def test_output_and_bars_count_as_signs_of_life() -> None:
    story = Story().series().losses([1.0] * 5)
    later = story.now + 100
    assert story.snapshot(later).state == words.STALLED
    story.host.append(events.Output(t=later - 1, offset=10))
    assert story.snapshot(later).state == words.TRAINING
    quiet = Story().series().losses([1.0] * 5).add(events.Bar(t=later - 1, bar=1, desc="", n=3.0))
    assert quiet.snapshot(later).state == words.TRAINING


def test_phases_before_and_after_the_first_line_of_a_training() -> None:
    story = Story()
    story.events = []
    assert story.snapshot(START + 1).state == words.STARTING
    story.host.append(events.Phase(t=START + 1, name="importing_torch"))
    assert story.snapshot(START + 2).state == words.IMPORTING
    story.host.append(events.Phase(t=START + 3, name="torch_ready"))
    assert story.snapshot(START + 4).state == words.PREPARING
    story.series().losses([1.0])
    assert story.snapshot(START + 5).state == words.TRAINING
    story.add(events.Control(t=START + 6, step=1, action="paused"))
    assert story.snapshot(START + 7).state == words.PAUSED


def manifest(**changes: object) -> Manifest:
    return Manifest(name="r", host=socket.gethostname(), **changes)  # type: ignore[arg-type]


def dead_pid() -> int:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def test_who_is_alive() -> None:
    gone = dead_pid()
    assert Liveness().alive(manifest(pid=os.getpid()), "", 0.0, 1e6)
    assert not Liveness().alive(manifest(pid=gone, supervisor_pid=gone), "", 0.0, 1e6)
    assert Liveness().alive(manifest(pid=gone), "", 1e6 - 5, 1e6), "it wrote five seconds ago"
    assert not Liveness().alive(Manifest(name="r", host="elsewhere", pid=os.getpid()), "", 1.0, 1e6)


def test_processes_are_asked_after_once_a_second() -> None:
    clock = [0.0]
    liveness = Liveness(lambda: clock[0])
    assert liveness.alive(manifest(pid=os.getpid()), "", 0.0, 1e6)
    assert liveness.alive(manifest(pid=dead_pid()), "", 0.0, 1e6)
    clock[0] = 2.0
    assert not liveness.alive(manifest(pid=dead_pid()), "", 0.0, 1e6)


def test_a_run_whose_processes_are_gone_is_lost(tmp_path: object) -> None:
    gone = dead_pid()
    write_manifest(tmp_path, manifest(pid=gone, supervisor_pid=gone, created=START))  # type: ignore[arg-type]
    story = Story(folder=tmp_path).series().losses([1.0])  # type: ignore[arg-type]
    from dlmon.state.run_state import RunState

    state = RunState(tmp_path)  # type: ignore[arg-type]
    state.fold_all(story.tagged())
    assert state.snapshot().state == words.LOST
    assert state.snapshot(story.now).state == words.TRAINING, "a replay of it shows what was"


def test_an_outcome_in_the_manifest_counts_where_the_log_is_torn(tmp_path: object) -> None:
    outcome = Outcome(code=3, seconds=2.0, ended=START + 9)
    write_manifest(tmp_path, manifest(outcome=outcome, created=START))  # type: ignore[arg-type]
    from dlmon.state.run_state import RunState

    snapshot = RunState(tmp_path).snapshot()  # type: ignore[arg-type]
    assert (snapshot.state, snapshot.exit_code, snapshot.elapsed) == (words.FAILED, 3, 9.0)
