"""A recorded run without a screen."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dlmon.headless import replay as module
from dlmon.headless.replay import replay
from tests.headless.runs import T, recorded, supervision, training, write


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return recorded(tmp_path / "run")


def test_output_on_stdout_and_narration_on_stderr_as_the_live_run_had_it(
    folder: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    replay(folder, as_json=False)
    captured = capfdbinary.readouterr()
    assert captured.out == b"first\nsecond\nlast\n"
    said = captured.err.decode().splitlines()
    assert all(line.startswith("dlmon: ") for line in said)
    said = [line.removeprefix("dlmon: ") for line in said]
    assert said[0] == "run: replay of run"
    assert said[1].startswith("starting")
    first = said.index("first loss 1.10 at step 0 (train.py:88)")
    evaluated = said.index("evaluation at step 100: loss 0.400, accuracy 90 %, 64 samples in 3.0 s")
    assert first < evaluated
    assert any(line.startswith("step 180") and "loss 0.250" in line for line in said[evaluated:])
    assert any(line.startswith("error loss.nonfinite") for line in said)
    assert "finished after 25 s, 200 steps, exit code 0" in said


def test_events_come_in_the_order_of_their_time_with_their_source(
    folder: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    replay(folder, as_json=True)
    captured = capfdbinary.readouterr()
    rows = [json.loads(line) for line in captured.out.splitlines()]
    assert captured.err == b""
    assert len(rows) == len(training()) + len(supervision())
    assert [row["t"] for row in rows] == sorted(row["t"] for row in rows)
    assert {(row["k"], row["source"]) for row in rows if row["k"] in ("exit", "evaluation")} == {
        ("exit", "host"),
        ("evaluation", "rank0"),
    }
    assert all(row["rank"] == 0 for row in rows if row["source"] == "rank0")
    blocks = [row for row in rows if row["k"] == "steps"]
    assert blocks[-1]["loss"] == {"0": ["nan"] * 20}


def test_ranks_keep_their_numbers(folder: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    write(folder, "rank3.jsonl", training()[:4])
    replay(folder, as_json=True)
    rows = [json.loads(line) for line in capfdbinary.readouterr().out.splitlines()]
    assert {row["rank"] for row in rows if row["source"] == "rank3" and row["k"] == "steps"} == {3}


@pytest.mark.parametrize("as_json", [False, True])
def test_speed_is_the_runs_time_over_the_clocks(
    folder: Path, as_json: bool, monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    """With a clock that moves only when someone sleeps: 25 s of run at ten times its speed are 2.5 s."""
    clock = [0.0]

    class Time:
        @staticmethod
        def monotonic() -> float:
            return clock[0]

        @staticmethod
        def sleep(seconds: float) -> None:
            assert seconds > 0
            clock[0] += seconds

    monkeypatch.setattr(module, "time", Time)
    replay(folder, as_json=as_json, speed=10)
    assert clock[0] == pytest.approx(2.5)


def test_a_run_that_is_not_over_is_told_as_far_as_it_is_on_disk(
    tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    folder = tmp_path / "torn"
    write(folder, "rank0.jsonl", training()[:5])
    with (folder / "rank0.jsonl").open("ab") as log:
        log.write(b'{"k":"steps","t":1000022.0,"first":100,"at":[')
    replay(folder, as_json=False)
    assert "100 steps" in capfdbinary.readouterr().err.decode()
    assert T > 0


def test_a_replay_says_the_same_findings_as_the_findings_command(
    folder: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    from dlmon.headless import findings

    replay(folder, as_json=False)
    said = capfdbinary.readouterr().err.decode()
    rows = json.loads(findings.as_json(findings.read(folder).judgement))
    assert "loss.nonfinite" in [row["id"] for row in rows]
    assert all(f"{row['severity']} {row['id']}: {row['title']}" in said for row in rows)
