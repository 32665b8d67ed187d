"""Whatever the log and wherever one goes in it: the state is the one that a fold of all events from the start gives."""

from __future__ import annotations

import dataclasses
import math
from bisect import bisect_right
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dlmon.app import player, recording
from dlmon.app.player import Checkpoints, rows_of
from dlmon.app.recording import Recording
from dlmon.checks.finding import Judgement
from dlmon.record.codec import encode_event
from dlmon.record.reader import Place, RunReader, Tagged, sizes
from dlmon.state.run_state import RunState
from dlmon.state.snapshot import RunSnapshot
from dlmon_probes import events
from tests.app import runs

START = runs.START
WORDS = st.sampled_from(["loss", "acc", "näh", "x\x1b[31m"])
NUMBERS = st.floats(-1e6, 1e6) | st.sampled_from([math.nan, math.inf, 0.0])
TIMES = st.floats(-3, 40)  # seconds since the start: out of order as it comes


@pytest.fixture(autouse=True)
def _many_small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """States kept every few lines, and each of them restored when it can be."""
    monkeypatch.setattr(recording, "SMALLEST_PART", 300)
    monkeypatch.setattr(recording, "PORTION", 4)
    monkeypatch.setattr(recording, "LOOKS", 2)
    monkeypatch.setattr(player, "NEAR", 0)
    monkeypatch.setattr(player, "PORTION", 3)
    monkeypatch.setattr(player.PlayedJudge, "__call__", lambda *_: Judgement())  # tried elsewhere, and 20 ms each


def loaded(folder: Path) -> Recording:
    found = Recording(folder)
    while found.load() < 1:
        pass
    return found


@st.composite
def lines_of_a_rank(draw: st.DrawFn) -> list[bytes]:
    """A process's log: blocks of steps in order, anything else between them, some of it damaged."""
    lines = [encode_event(events.Hello(START, 1, "rank", 42, "node1"))]
    step, second = 0, 0.0
    for _ in range(draw(st.integers(0, 14))):
        kind = draw(st.integers(0, 9))
        t = START + draw(TIMES)
        if kind < 4:
            rows, dt = draw(st.integers(1, 9)), draw(st.sampled_from([0.01, 0.1, 0.3]))
            block = _block(draw, step, second, rows, dt)
            step, second = step + rows, second + rows * dt
            lines.append(encode_event(block))
        elif kind == 4:
            row = events.ScalarRow(draw(WORDS), draw(NUMBERS), step)
            lines.append(encode_event(events.Scalars(t, "tensorboard", step, [row])))
        elif kind == 5:
            lines.append(encode_event(events.Evaluation(t, step, 2, 64, 0.1, loss=draw(NUMBERS), accuracy=0.5)))
        elif kind == 6:
            lines.append(encode_event(events.Phase(t, draw(st.sampled_from(["training", "evaluating", "paused"])))))
        elif kind == 7:
            lines.append(encode_event(events.Heartbeat(t, step, "training", 0.0)))
        else:
            lines.append(draw(st.sampled_from([b"\n", b"{}\n", b'{"k":"steps","t":1\n', b"\xff\x00\n"])))
    return lines


def _block(draw: st.DrawFn, first: int, second: float, rows: int, dt: float) -> events.Steps:
    at = [second + (row + 1) * dt for row in range(rows)]
    values = draw(st.lists(NUMBERS | st.none(), min_size=rows, max_size=rows))
    shared = draw(st.booleans()) and rows > 1
    return events.Steps(
        t=START + at[-1] + draw(st.floats(0, 0.3)), first=first, at=at, dt=[dt] * rows,
        wait=[0.001] if shared else [0.001] * rows, lr=[0.1] if shared else [0.1] * rows,
        micro=[1] if shared else [1] * rows, samples=[8] if shared else [8] * rows,
        loss={"0": values, "1": [1.0] * rows}, grad_norm=[None] * (rows - 1) + [0.5],
    )  # fmt: skip


@st.composite
def logs(draw: st.DrawFn) -> dict[str, bytes]:
    """The files of a run; any of them may end in the middle of a line."""
    found = {f"rank{rank}.jsonl": b"".join(draw(lines_of_a_rank())) for rank in range(draw(st.integers(1, 3)))}
    host: list[Any] = [events.Hello(START, 1, "supervisor", 41, "node1")]
    host += [events.Output(START + second, 10 * second) for second in range(draw(st.integers(0, 5)))]
    found["host.jsonl"] = b"".join(map(encode_event, host))
    return {name: data[: len(data) - draw(st.sampled_from([0, 0, 1, 20]))] for name, data in found.items()}


def expected(folder: Path, told: list[Tagged], corrupt: int, moment: float) -> RunSnapshot:
    """A fold from the start, of all events up to a moment, and of the leader's block that was under way then."""
    state = RunState(folder)
    clock, place = -math.inf, 0
    for tagged in told:
        if tagged.event.t > moment:
            break
        clock = max(clock, tagged.event.t)
        state.fold(tagged)
        place += 1
    made = [tagged for tagged in told if isinstance(tagged.event, events.Steps)]
    leader = min(made, key=lambda tagged: tagged.rank).source if made else ""
    for tagged in told[place:]:
        clock = max(clock, tagged.event.t)
        if clock > moment + player.LOOK_AHEAD:
            break
        if isinstance(tagged.event, events.Steps) and tagged.source == leader:
            rows = bisect_right(tagged.event.at, moment - START + 1e-6)
            if rows:
                part = dataclasses.replace(rows_of(tagged.event, 0, rows), t=moment)
                state.fold(tagged._replace(event=part))
            break
    state.corrupt_lines = corrupt
    return state.snapshot(moment)


def read_all(folder: Path) -> tuple[list[Tagged], int]:
    reader = RunReader(folder, ends=sizes(folder))
    told = reader.read(1 << 30, math.inf).events
    return told, reader.corrupt_lines


def same(one: RunSnapshot, other: RunSnapshot) -> None:
    for field in dataclasses.fields(RunSnapshot):
        # Words and numbers; NaN is the same as NaN there.
        assert repr(getattr(one, field.name)) == repr(getattr(other, field.name)), field.name


@settings(max_examples=60, deadline=None)
@given(logs(), st.lists(st.floats(-1, 45), min_size=1, max_size=12))
def test_any_moment_in_any_order_is_what_a_fold_from_the_start_gives(
    tmp_path_factory: pytest.TempPathFactory, files: dict[str, bytes], seconds: list[float]
) -> None:
    folder = tmp_path_factory.mktemp("run")
    for name, data in files.items():
        (folder / name).write_bytes(data)
    played = loaded(folder)
    told, corrupt = read_all(folder)
    for second in seconds:
        moment = played.origin + second
        same(played.seek(second).snapshot, expected(folder, told, corrupt, moment))


@settings(max_examples=40, deadline=None)
@given(logs(), st.data())
def test_reading_goes_on_where_it_stood(
    tmp_path_factory: pytest.TempPathFactory, files: dict[str, bytes], data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("run")
    for name, content in files.items():
        (folder / name).write_bytes(content)
    told, _ = read_all(folder)
    reader = RunReader(folder, ends=sizes(folder))
    head = reader.read(data.draw(st.integers(0, len(told))), math.inf).events if told else []
    rest = RunReader(folder, ends=sizes(folder), places=reader.places()).read(1 << 30, math.inf).events
    assert repr(head + rest) == repr(told)


def test_before_all_is_read_there_is_the_beginning_and_the_front(tmp_path: Path) -> None:
    folder = runs.training(tmp_path / "run", steps=3000, block=5)
    opened = Recording(folder)
    assert opened.length == pytest.approx(1 + 3000 * 0.01 + 0.5), "known from the logs' last lines"
    assert opened.seek(0.0).snapshot.name == "run"
    shares = []
    fronts = []
    while not shares or shares[-1] < 1:
        shares.append(opened.load())
        fronts.append(opened.seek(opened.length).snapshot.step)
    assert shares == sorted(shares)
    assert fronts == sorted(fronts)
    assert len(set(fronts)) > 2, "it fills in"
    assert fronts[-1] == 3000


def test_what_is_written_after_the_opening_is_left_for_the_next(tmp_path: Path) -> None:
    folder = runs.training(tmp_path / "run", steps=100)
    opened = Recording(folder)
    opened.load()
    runs.write(folder, "rank0.jsonl", [runs.steps_block(100, 25, 0.01)])
    runs.write(folder, "rank1.jsonl", [events.Hello(START, 1, "rank", 43, "node1")])
    while opened.load() < 1:
        pass
    last = opened.seek(opened.length).snapshot
    assert last.step == 100
    assert len(last.ranks) == 1
    assert loaded(folder).seek(1e9).snapshot.step == 125


def test_a_log_that_is_cut_while_it_is_played_does_not_raise(tmp_path: Path) -> None:
    folder = runs.training(tmp_path / "run", steps=2000)
    opened = loaded(folder)
    log = folder / "rank0.jsonl"
    log.write_bytes(log.read_bytes()[:5000] + b"\n" * 40)
    assert opened.second_of_step(1999) is None or opened.length >= 0
    for second in (opened.length, 0.0, 7.0, 19.0):
        opened.seek(second)


def test_states_are_kept_within_their_memory() -> None:
    kept = Checkpoints(gap=10, most=100_000)
    state, judge = RunState(Path("run")), player.PlayedJudge()
    for at in range(200):
        assert kept.due(at * 10) or at % 2 or kept.gap > 10
        if kept.due(at * 10):
            kept.keep(float(at), {"rank0.jsonl": Place(at * 10, 0.0)}, state, judge)
    found = [kept.before(float(at)) for at in range(200)]
    assert all(one is not None and one.clock <= at for at, one in enumerate(found))
    stored = {one.clock: len(one.state) for one in found if one is not None}
    assert sum(stored.values()) <= 100_000
    assert len(stored) >= 4
    assert kept.before(-1.0) is None
