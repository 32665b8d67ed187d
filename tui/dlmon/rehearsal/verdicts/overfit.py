"""The verdict of overfit: on one batch, repeated, the loss must fall to its floor."""

from __future__ import annotations

import math

from dlmon import text
from dlmon.rehearsal.report import FAIL, INCONCLUSIVE, PASS, StageReport
from dlmon.rehearsal.stage_run import StageRun
from dlmon.rehearsal.verdicts import learning as measure
from dlmon.rehearsal.verdicts.decision import LEFT, PATIENCE, judge_trial, run_steps
from dlmon.rehearsal.verdicts.learning import Learning, Trend
from dlmon.rehearsal.verdicts.suspicions import Cause, linear
from dlmon.rehearsal.verdicts.trial import (
    ERRORS_LEFT,
    Trial,
    better_than_guessing,
    learned_by_accuracy,
    open_trial,
    without_floor,
)
from dlmon_probes.stages.plan import ENGINE

ACCURACY = 0.99
GUESSING_LEFT = 0.5  # of what guessing by the labels' shares costs: a loss that started at 50 falls to that in no time
SAME = 0.95  # of the looks: a loop that evaluates between its steps may draw another batch once after it


def judge(run: StageRun) -> StageReport:
    """pass: loss within 5 % of the way of its floor, or accuracy of at least 99 %."""
    trial = open_trial(run, run.options.overfit_steps, "one batch repeated")
    return judge_trial(trial, reached, _doubts, _failed)


def reached(learning: Learning) -> bool:
    """Also where the loss rose again afterwards: the model could learn the batch."""
    if learning.nonfinite is not None:
        return False
    if learned_by_accuracy(learning, ACCURACY, errors_left=ERRORS_LEFT):
        return True
    return learning.way is not None and learning.way >= 1 - LEFT and better_than_guessing(learning, GUESSING_LEFT)


def _doubts(trial: Trial) -> StageReport | None:
    learning = trial.learnings[0]
    if _trains_nothing(trial, learning):
        return trial.report(
            INCONCLUSIVE, f"no optimizer was made, and the loss is the same at each backward: {trial.line}",
            "If the script is to train, give the parameters to an optimizer; one that evaluates has nothing to learn.",
        )  # fmt: skip
    if learning.floor is None:
        return trial.report(
            INCONCLUSIVE, without_floor(learning),
            "Look at the curve: on one batch the loss should fall fast and level out at what its terms leave.",
        )  # fmt: skip
    if learning.way is None:
        return trial.report(
            INCONCLUSIVE, f"the loss starts at its floor, there is nothing to learn in this batch: {trial.line}",
            "Look at the batch: are the targets empty, or is the model trained already?",
        )  # fmt: skip
    different = _batch_differs(trial, learning)
    if different:
        return trial.report(
            INCONCLUSIVE, f"{different}, so the loss need not reach its floor: {trial.line}",
            "Judge by the engine and subset stages, or take augmentation out of the loop for a rehearsal.",
        )  # fmt: skip
    return None


def _trains_nothing(trial: Trial, learning: Learning) -> bool:
    """A script that calls backward for the gradients themselves: a saliency map, a sensitivity."""
    facts = trial.run.facts
    if facts is None or facts.optimizers or any(told.optimizers for told in facts.further.get("loop_totals", ())):
        return False
    return len({value for _, value in learning.values}) == 1


def _batch_differs(trial: Trial, learning: Learning) -> str:
    """Why the batch was not verifiably the same at each step; "" where it was."""
    note = trial.run.facts.stage_data if trial.run.facts is not None else None
    if note is None:
        return "it is not known whether the batch was repeated"
    if note.same < SAME * note.looks - 1:  # the first look may be at what stood before the repetition
        return f"the model got the same batch at {note.same} of {note.looks} looks only"
    if note.source != "loader" and not note.looks:
        return "nobody looked whether the model got the same batch"
    return "the loss's floor moves from step to step, so its targets change" if learning.floor_moves else ""


def _failed(trial: Trial, found: list[Cause], tail: Trend) -> StageReport:
    learning = trial.learnings[0]
    assert learning.floor is not None
    gap, target = learning.best - learning.floor, LEFT * (learning.first - learning.floor)
    if tail.falling:
        left = tail.steps_left(gap, target)
        far = left is None or left > PATIENCE * trial.budget
        wanted = (
            "" if far or left is None else f"Give it more steps: --overfit-steps {_rounded(run_steps(trial) + left)}. "
        )
        return trial.report(
            INCONCLUSIVE,
            f"still falling at step {text.count(run_steps(trial))}, by {text.percent(tail.drop)} of what is left over "
            f"the last {tail.steps} steps: {trial.line}",
            f"{wanted}{found[0].advice if found else _FASTER if far else ''}".strip(), found,
        )  # fmt: skip
    if tail.creeping and any(cause.evidence.get("slow") for cause in found):
        return trial.report(
            INCONCLUSIVE, f"the steps are too small to learn anything in {run_steps(trial)} of them: {trial.line}",
            found[0].advice, found,
        )  # fmt: skip
    facts = trial.run.facts
    if facts is not None and linear(facts) and learning.way is not None and learning.way > measure.FALLING:
        return trial.report(
            INCONCLUSIVE, f"a single layer may honestly not fit this batch: {trial.line}",
            "Accept it as a baseline, or try a model with a hidden layer.", found,
        )  # fmt: skip
    return trial.report(FAIL, _stuck(trial, learning, found), _next(trial, found), found)


_FASTER = "Raise the learning rate, or run the lr stage: at this pace it takes too long to tell."


def _stuck(trial: Trial, learning: Learning, found: list[Cause]) -> str:
    goal = (learning.floor or 0.0) + LEFT * (learning.first - (learning.floor or 0.0))
    steps = text.plural(run_steps(trial), "step")
    line = f"one batch was not learned in {steps}: {trial.line}, wanted {text.number(goal)}"
    return f"{line}; likely cause: {found[0].title}" if found else line


def _next(trial: Trial, found: list[Cause]) -> str:
    """With the engine's verdict it is known on which side to look."""
    engine = trial.run.earlier.get(ENGINE)
    first = f" First: {found[0].advice}" if found else ""
    if engine is not None and engine.verdict == PASS:
        return f"The engine learns synthetic data, so look at your data and its labels.{first}"
    if engine is not None and engine.verdict == FAIL:
        return f"Synthetic data are not learned either, so look at the model, the loss and the optimizer.{first}"
    return f"Look at the causes, likeliest first.{first}"


def _rounded(steps: float) -> int:
    """To two digits, upwards."""
    digits = max(0, math.floor(math.log10(max(steps, 1))) - 1)
    return int(math.ceil(steps / 10**digits) * 10**digits)
