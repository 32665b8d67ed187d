"""The verdict of engine: on synthetic data that can be learned, the script's own loop must learn."""

from __future__ import annotations

import math

from dlmon import text
from dlmon.rehearsal.report import FAIL, INCONCLUSIVE, StageReport
from dlmon.rehearsal.stage_run import StageRun
from dlmon.rehearsal.stages import ENGINE_STEPS
from dlmon.rehearsal.verdicts.decision import judge_trial, run_steps
from dlmon.rehearsal.verdicts.learning import Learning, Trend
from dlmon.rehearsal.verdicts.suspicions import Cause
from dlmon.rehearsal.verdicts.trial import Trial, better_than_guessing, open_trial, without_floor

HALF = 0.5  # of the way from the first loss to its floor
GUESSING_LEFT = 0.9  # of what guessing by the labels' shares costs
LITTLE = 0.1  # of the way: less is no learning at all; between the two nothing is certain
ABOVE_CHANCE = 0.25  # of the way from guessing to always right
SIGMAS = 4.0  # … and beyond what luck gives with so few rows


def judge(run: StageRun) -> StageReport:
    """pass: half of the way to the floor, or accuracy well above chance."""
    return judge_trial(open_trial(run, ENGINE_STEPS, "synthetic data"), reached, _doubts, _failed)


def reached(learning: Learning) -> bool:
    if learning.nonfinite is not None:
        return False
    if learning.way is None:
        return above_chance(learning)
    far = learning.way >= HALF and better_than_guessing(learning, GUESSING_LEFT)
    return far or (learning.way >= LITTLE and above_chance(learning))


def above_chance(learning: Learning) -> bool:
    """Accuracy beyond what guessing the commonest class would give in batches of this size, and not from the start."""
    if learning.late_accuracy is None or learning.chance is None:
        return False
    luck = SIGMAS * math.sqrt(learning.chance * (1 - learning.chance) / max(1, learning.rows))
    return learning.late_accuracy >= learning.chance + max(ABOVE_CHANCE * (1 - learning.chance), luck)


def _doubts(trial: Trial) -> StageReport | None:
    learning = trial.learnings[0]
    note = trial.run.facts.stage_data if trial.run.facts is not None else None
    if note is None or note.how != "synthetic":
        return trial.report(
            INCONCLUSIVE, f"it is not known whether the script got synthetic data: {trial.line}",
            "Judge by the overfit stage.",
        )  # fmt: skip
    if learning.floor is None:
        return trial.report(
            INCONCLUSIVE,
            without_floor(learning),
            "Look at the curve: on data that can be learned it should fall clearly.",
        )
    if learning.way is None:
        return trial.report(INCONCLUSIVE, f"the loss starts at its floor: {trial.line}", "Judge by the overfit stage.")
    return None


def _failed(trial: Trial, found: list[Cause], tail: Trend) -> StageReport:
    learning = trial.learnings[0]
    way = learning.way or 0.0
    if tail.falling or way >= LITTLE:
        gone = f"{text.percent(max(0.0, way))} of the way to the floor"
        falling = ", and still falling" if tail.falling else ""
        return trial.report(
            INCONCLUSIVE, f"synthetic data were learned in part, {gone}{falling}: {trial.line}",
            f"See overfit, which asks for less. {found[0].advice if found else ''}".strip(), found,
        )  # fmt: skip
    cause = f"; likely cause: {found[0].title}" if found else ""
    return trial.report(
        FAIL, f"synthetic data were not learned in {text.plural(run_steps(trial), 'step')}: {trial.line}{cause}",
        "Look at the model, the loss and the optimizer" + (f". First: {found[0].advice}" if found else "."), found,
    )  # fmt: skip
