"""What is said of a run without a screen, from hand-made views."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from dlmon.checks.finding import Finding, Judgement
from dlmon.headless.narrator import Narrator, status_line
from dlmon.headless.summary import summary
from dlmon.state import snapshot as words
from dlmon.state.snapshot import EvaluationView, Points, RunSnapshot, SeriesView, Timing
from dlmon.view import View
from dlmon_probes import events

WHERE = events.Where("/home/a/train.py", 88, "main", "loss.backward()")
LOSS = SeriesView("loss", "loss", WHERE, Points(low=(0.07,)), first=((0, 1.0986),), last=0.0711, last_step=3, count=4)
FINDING = Finding("loop.no_zero_grad", "error", "gradients pile up at 3 of 3 steps", "Call zero_grad().", 2, 0, WHERE)


def view(state: str = words.TRAINING, *findings: Finding, **values: Any) -> View:
    values = {"now": 100.0, "elapsed": 10.0, **values}
    return View(RunSnapshot("run", "/runs/run", ["train.py"], state, **values), Judgement(findings))


def evaluation(t: float, step: int, loss: float) -> EvaluationView:
    return EvaluationView(0, events.Evaluation(t, step, 4, 64, 3.0, loss=loss, accuracy=0.971))


def test_each_state_is_said_once_but_pauses_and_stalls_always() -> None:
    narrator = Narrator()
    states = [words.STARTING, words.IMPORTING, words.TRAINING, words.EVALUATING, words.TRAINING, words.EVALUATING]
    states += [words.PAUSED, words.TRAINING, words.PAUSED, words.STALLED, words.TRAINING, words.STALLED]
    said = [line for state in states for line in narrator.look(view(state))]
    assert said == [
        "starting", "importing torch", "training", "evaluating", "paused", "paused", "stalled", "stalled",
    ]  # fmt: skip


def test_the_first_loss_of_each_series_with_its_line() -> None:
    narrator = Narrator()
    narrator.look(view())
    other = replace(LOSS, name="loss_D", where=None, first=((0, math.nan),))
    assert narrator.look(view(series=(LOSS, other))) == [
        "first loss 1.10 at step 0 (train.py:88)",
        "first loss_D NaN at step 0",
    ]
    assert narrator.look(view(series=(LOSS, other))) == []


def test_an_evaluation_is_said_when_it_is_finished_and_once() -> None:
    narrator = Narrator()
    narrator.look(view())
    first, second = evaluation(1.0, 400, 0.0832), evaluation(2.0, 800, 0.05)
    line = "evaluation at step 400: loss 0.0832, accuracy 97 %, 64 samples in 3.0 s"
    assert narrator.look(view(evaluations=(first,))) == [line]
    assert narrator.look(view(evaluations=(first, second)))[0].startswith("evaluation at step 800")
    assert narrator.look(view(evaluations=(second,))) == []  # the older one left the snapshot


def test_a_finding_is_said_when_it_comes_and_when_it_goes() -> None:
    narrator = Narrator()
    narrator.look(view())
    assert narrator.look(view(words.TRAINING, FINDING)) == [
        "error loop.no_zero_grad: gradients pile up at 3 of 3 steps (train.py:88), since step 2",
        "    Call zero_grad().",
    ]
    more = replace(FINDING, title="gradients pile up at 9 of 9 steps")
    assert narrator.look(view(words.TRAINING, more)) == []
    assert narrator.look(view(words.TRAINING, replace(more, resolved=True)))[0].startswith("resolved loop.no_zero_grad")
    assert len(narrator.look(view(words.TRAINING, FINDING))) == 2


def test_a_status_line_now_and_then_if_there_are_steps() -> None:
    narrator = Narrator()
    narrator.look(view(now=0.0))
    told = []
    for now in range(1, 31):
        step = min(now, 20)  # nothing moves in the last ten seconds
        told += [now for line in narrator.look(view(now=float(now), step=step)) if line.startswith("step")]
    assert told == [5, 10, 15, 20]


def test_the_status_line_has_what_is_known_with_units() -> None:
    full = view(
        epoch="3/10", step=1284, total_steps=4000, series=(LOSS,), lr=3e-4, timing=Timing(rate=212.0), elapsed=372.0,
        eta=780.0,
    )  # fmt: skip
    assert status_line(full.snapshot) == (
        "epoch 3/10  step 1,284/4,000  loss 0.0711  lr 0.0003  212 steps/s  6 min 12 s, about 13 min left"
    )
    assert status_line(view(step=1).snapshot) == "step 1  10 s"


def test_names_and_messages_of_the_training_cannot_move_the_cursor() -> None:
    hostile = "\x1b[2J\x9b31m\r\n"
    bad = replace(FINDING, title=hostile, advice=hostile)
    shown = view(
        words.STALLED, bad, detail=hostile, notices=(hostile,), epoch=hostile, step=9, now=1e9,
        series=(replace(LOSS, name=hostile),),
    )  # fmt: skip
    narrator = Narrator()
    narrator.look(view(now=0.0))
    lines = [*narrator.look(shown), *summary(shown, Path("/runs/run"))]
    assert len(lines) > 8
    assert all(line.isprintable() for line in lines), lines


def test_the_summary_of_a_run_that_went_well(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DLMON_RUNS", raising=False)
    done = view(
        words.FINISHED, step=4000, elapsed=182.0, exit_code=0, series=(LOSS,), evaluations=(evaluation(1.0, 400, 0.08),)
    )
    assert summary(done, tmp_path / "dlmon_runs" / "run") == [
        "finished after 3 min 02 s, 4,000 steps, exit code 0",
        "loss 1.10 at the start, 0.0711 at step 3, lowest 0.0700",
        "last evaluation at step 400: loss 0.0800, accuracy 97 %, 64 samples in 3.0 s",
        "no findings",
        "recorded in dlmon_runs/run; look at it again with: dlmon replay run",
    ]


def test_the_summary_of_a_run_that_died(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    dead = view(words.FAILED, FINDING, replace(FINDING, id="x", resolved=True), exit_code=137, signal="SIGKILL", step=1)
    lines = summary(dead, tmp_path / "elsewhere" / "run")
    assert lines[0] == "failed after 10 s, 1 step, exit code 137 (SIGKILL)"
    assert lines[1:4] == [
        "1 finding:",
        "  error loop.no_zero_grad: gradients pile up at 3 of 3 steps (train.py:88), since step 2",
        "      Call zero_grad().",
    ]
    assert lines[-1].endswith("dlmon replay elsewhere/run")  # a path, where the name would not be found
