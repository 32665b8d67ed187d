"""The sweep: where a known curve falls fastest and leaves, and where the script's own rate lies on it."""

from __future__ import annotations

import math
import random

import pytest

from dlmon.rehearsal.report import StageReport
from dlmon.rehearsal.verdicts.lr import judge, sweep_of
from dlmon_probes import events
from tests.builders import START, Story
from tests.rehearsal.runs import LN3, note, stage_run

LOW, HIGH, STEPS = 1e-7, 10.0, 200
FASTEST, LEAVES = 1e-3, 0.3


def rates() -> list[float]:
    return [LOW * (HIGH / LOW) ** (step / (STEPS - 1)) for step in range(STEPS)]


def curve(lr: float) -> float:
    """Falls from ln 3 to 0.2 around 1e-3, and leaves around 0.3."""
    fallen = 0.9 / (1 + math.exp(-3 * math.log(lr / FASTEST)))
    return LN3 - fallen + 3.0 / (1 + math.exp(-8 * math.log(lr / LEAVES)))


def noisy() -> list[float]:
    """Every rate has another mini-batch: losses differ by a third of what there is to gain."""
    numbers = random.Random(7)
    return [curve(lr) * (1 + 0.3 * numbers.uniform(-1, 1)) for lr in rates()]


def swept(own: float | None, losses: list[float] | None = None, lr: list[float] | None = None) -> StageReport:
    values = [curve(rate) for rate in rates()] if losses is None else losses
    story = Story().model({"a.weight": (4, 4)}).series().losses(values, lr=(lr or rates())[: len(values)])
    told = f"SGD: learning rate of the script {own:g}" if own else "learning rate of the script not known"
    return judge(stage_run("lr", note(note(story, "change", detail=told, name="lr"), "end", "steps", name="lr")))


def test_the_steepest_descent_and_the_divergence_are_found() -> None:
    found = sweep_of([(lr, curve(lr)) for lr in rates()])
    assert found is not None and found.divergence is not None
    assert FASTEST / 2 < found.suggestion < FASTEST * 3  # smoothing looks back over a few rates
    assert LEAVES / 2 < found.divergence < LEAVES * 3


def test_noise_from_batch_to_batch_does_not_mislead() -> None:
    found = sweep_of(list(zip(rates(), noisy(), strict=True)))
    assert found is not None and found.divergence is not None
    assert FASTEST / 4 < found.suggestion < FASTEST * 4
    assert LEAVES / 3 < found.divergence < LEAVES * 3


def test_a_sweep_that_ended_when_the_loss_left_knows_where() -> None:
    points = [(lr, curve(lr)) for lr in rates() if lr < 0.45]
    found = sweep_of(points, left=True)
    assert found is not None and found.divergence is not None and 0.2 < found.divergence < 0.45


@pytest.mark.parametrize(
    ("own", "verdict"), [(1e-3, "pass"), (3e-4, "pass"), (1e-6, "inconclusive"), (0.5, "inconclusive")]
)
def test_the_scripts_own_rate_is_judged_by_them(own: float, verdict: str) -> None:
    report = swept(own)
    assert report.verdict == verdict
    assert (
        "learns best near" in report.summary
        and f"the script's own rate is {own:g}".replace("e-0", "e-") in report.summary
    )
    if verdict != "pass":
        assert ("Lower" if own > 0.1 else "larger") in report.next_step


def test_the_curve_is_in_the_evidence_with_the_own_rate() -> None:
    evidence = swept(1e-3).evidence
    points = evidence["curves"]["loss over learning rate"]
    assert len(points) == STEPS and points[0][0] == pytest.approx(LOW) and points[-1][0] == pytest.approx(HIGH)
    assert evidence["lr"] == 1e-3 and FASTEST / 2 < evidence["suggestion"] < FASTEST * 3


def test_a_loss_that_becomes_no_number_diverged_there() -> None:
    values = [curve(lr) if lr < 0.05 else math.nan for lr in rates()]
    assert swept(1e-3, values).evidence["divergence"] == pytest.approx(0.05, rel=0.2)


def test_a_loss_that_falls_nowhere_fails() -> None:
    report = swept(1e-3, [LN3] * STEPS)
    assert report.verdict == "fail" and "at no learning rate" in report.summary


def test_where_the_schedule_hid_the_swept_rate_the_plan_tells_it() -> None:
    report = swept(1e-3, lr=[1e-3] * STEPS)
    assert FASTEST / 2 < report.evidence["suggestion"] < FASTEST * 3


def test_an_unknown_own_rate_leaves_it_at_a_suggestion() -> None:
    report = swept(None)
    assert report.verdict == "inconclusive" and "Try about" in report.next_step


def test_too_few_rates_are_no_curve() -> None:
    report = swept(1e-3, [LN3] * 8)
    assert report.verdict == "inconclusive" and "8 rates" in report.summary


def test_several_losses_have_no_one_curve() -> None:
    story = Story().series().losses([1.0] * 40).series(1, "loss_D")
    story.add(events.Steps(START + 9, 0, [1.0] * 40, [0.1] * 40, [0.0], [1e-3], [1], [32], {"1": [0.7] * 40}))
    report = judge(stage_run("lr", story))
    assert report.verdict == "inconclusive" and "loss_D" in report.summary
