"""The order in which engine and overfit are judged, so that a healthy script cannot be failed: what is certain, then
what was reached, then everything that speaks for doubt, and only then failure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise

from dlmon import text
from dlmon.checks.finding import ERROR, HINT, WARNING, Finding
from dlmon.rehearsal.report import FAIL, INCONCLUSIVE, PASS, StageReport
from dlmon.rehearsal.verdicts import rates
from dlmon.rehearsal.verdicts.causes import causes
from dlmon.rehearsal.verdicts.common import (
    advised,
    crash_of,
    go_on,
    is_crash,
    last_line,
    nonzero_exit,
    not_applicable,
    stopped,
    told,
)
from dlmon.rehearsal.verdicts.labels import only_class
from dlmon.rehearsal.verdicts.learning import Learning, Trend, trend
from dlmon.rehearsal.verdicts.suspicions import Cause
from dlmon.rehearsal.verdicts.trial import Trial
from dlmon_probes.stages.plan import SMOKE

# Faults that hold whatever the loss does. Others (an exploding gradient, a rate that is too high) are causes where
# the loss did not get there, and of no account where it did: gradients vanish when a batch is learned by heart.
GROWTH_STEPS = 10  # a loss that rises at each of so many …
GROWTH = 1e6  # … by so much in all grew away, and did not break
CERTAIN = ("crash.", "loss.softmax", "loss.sigmoid", "loss.broadcast", "loop.no_zero_grad", "loop.zero_grad")
CERTAIN_ERRORS = ("data.labels_out_of_range", "loop.params_not_in_optimizer", "loop.eval_mode_in_training")
CERTAIN_WARNINGS = ("loop.params_not_in_optimizer",)  # needs more steps than smoke makes
ENOUGH_STEPS = 30  # below it nothing is said against a loop
LEFT = 0.05  # of the way from the first loss to its floor: learned
PATIENCE = 10.0  # × the budget: a loss that would be there by then is called slow, not stuck


def judge_trial(
    trial: Trial, reached: Callable[[Learning], bool], beyond_doubt: Callable[[Trial], StageReport | None],
    failed: Callable[[Trial, list[Cause], Trend], StageReport],
) -> StageReport:  # fmt: skip
    """reached: whether a loss is where the stage wants it. beyond_doubt: the stage's own reasons not to fail it.
    failed: the report when nothing speaks for the script."""
    return (
        not_applicable(trial.run)
        or _certain_fault(trial)
        or _no_loss(trial)
        or _passed(trial, reached)
        or _interrupted(trial)
        or _fault(trial)
        or _cannot_judge(trial)
        or _warmed_up(trial)
        or beyond_doubt(trial)
        or _slow_or_stuck(trial, failed)
    )


def _certain_fault(trial: Trial) -> StageReport | None:
    crash = crash_of(trial.findings) or next((f for f in trial.findings if is_crash(f)), None)
    if crash is not None:
        return _crashed(trial, crash)
    for finding in trial.findings:
        bad = finding.severity == ERROR or (finding.severity == WARNING and finding.id in CERTAIN_WARNINGS)
        if bad and finding.id.startswith((*CERTAIN, *CERTAIN_ERRORS)):
            return trial.report(FAIL, _with_numbers(trial, told(finding)), advised(finding), _causes(trial))
    return None


def _crashed(trial: Trial, crash: Finding) -> StageReport:
    """A script that went through smoke and dies here may die of what the stage does to it."""
    run = trial.run
    smoke = run.earlier.get(SMOKE)
    own = crash.id in ("crash.oom", "crash.killed") or any(learning.nonfinite for learning in trial.learnings)
    if smoke is None or smoke.verdict != PASS or own:
        return trial.report(FAIL, told(crash), advised(crash))
    when = f"at step {text.count(crash.step)}" if crash.step else "before its first step"
    return trial.report(
        INCONCLUSIVE, f"the script stopped {when} on {trial.data}: {told(crash)}",
        f"smoke went through, so this may come of {trial.data} only. If it is a fault of the script: {advised(crash)}",
    )  # fmt: skip


def _no_loss(trial: Trial) -> StageReport | None:
    run = trial.run
    if trial.learnings and run.snapshot.step:
        return None
    if run.timed_out or run.aborted:
        return stopped(run)
    lost = next((series for series in run.losses if series.count), None)
    if lost is not None:
        return _diverged(trial, f"{lost.name} is not a number from its first step on")
    code = nonzero_exit(run)
    ended = f"ended with exit code {code}" if code else f"ended after {text.duration(run.seconds)}"
    done = text.plural(run.snapshot.step, "optimizer step")
    return trial.report(
        INCONCLUSIVE, f"no loss to judge: the script {ended} after {done}{last_line(run)}",
        "See the smoke stage, which says how far the script came.",
    )  # fmt: skip


def _passed(trial: Trial, reached: Callable[[Learning], bool]) -> StageReport | None:
    run = trial.run
    if run.aborted or not all(map(reached, trial.learnings)):
        return None
    constant = only_class(run.facts) if run.facts is not None else None
    if constant is not None:
        return trial.report(
            INCONCLUSIVE, f"all labels of the batch are {constant}, which any model learns: {trial.line}",
            "Shuffle the training data, so that a batch has labels of several classes.",
        )  # fmt: skip
    return trial.report(PASS, trial.line, go_on(run))


def _interrupted(trial: Trial) -> StageReport | None:
    run = trial.run
    if not (run.aborted or run.timed_out):
        return None
    return stopped(run, evidence=trial.evidence())


def _fault(trial: Trial) -> StageReport | None:
    """An error of the checks, or a loss that is no number: causes of a loss that did not get there."""
    errors = [finding for finding in trial.findings if finding.severity == ERROR]
    lost = next((learning for learning in trial.learnings if learning.nonfinite is not None), None)
    if lost is not None or (errors and errors[0].id in ("loop.lr_extreme", "grads.exploding", "grads.nonfinite")):
        what = told(errors[0]) if errors else f"{lost.series.name if lost else 'loss'} is not a number"
        return _diverged(trial, what, lost if {error.id for error in errors} <= {"loss.nonfinite"} else None)
    if errors:
        return trial.report(FAIL, _with_numbers(trial, told(errors[0])), advised(errors[0]), _causes(trial))
    return None


def _diverged(trial: Trial, what: str, lost: Learning | None = None) -> StageReport:
    """Unless the stage itself took the warm-up away that keeps this script in bounds. lost: what became no number,
    where nothing else is wrong."""
    warmup = rates.warmup(trial.run)
    if warmup:
        return trial.report(
            INCONCLUSIVE, f"{what}; but the script would have warmed its learning rate up, and this stage holds it: "
            f"{warmup}", "Judge by the subset stage, which leaves the schedule alone.", _causes(trial),
        )  # fmt: skip
    found = _causes(trial)
    learned = next((one for one in trial.learnings if _learned_and_left(one)), None)
    if learned is not None:
        return trial.report(
            INCONCLUSIVE, f"learned by step {text.count(learned.best_step)}, and later left again at the learning rate "
            f"that this stage holds: {_with_numbers(trial, what)}",
            "Judge by the subset stage, which leaves the schedule alone; if the loss leaves there too, lower the "
            "learning rate.", found,
        )  # fmt: skip
    if lost is not None and not trial.synthetic and _grew_away(lost):
        hints = tuple(replace(f, severity=HINT) if f.id == "loss.nonfinite" else f for f in trial.findings)
        return replace(trial, findings=hints).report(
            INCONCLUSIVE, f"the steps overshoot on this one batch, further each time: {_with_numbers(trial, what)}",
            "Batches that differ may hold each other in bounds; if the loss grows in the real run too, lower the "
            "learning rate.", found,
        )  # fmt: skip
    if trial.synthetic and any(one.floor is None for one in trial.learnings):
        return trial.report(
            INCONCLUSIVE,
            f"the synthetic data may lie outside of what this loss is made for: {_with_numbers(trial, what)}",
            "Judge by the overfit stage, which uses a batch of your own.", found,
        )  # fmt: skip
    return trial.report(FAIL, _with_numbers(trial, what), found[0].advice if found else _LOST, found)


def _grew_away(learning: Learning) -> bool:
    """It grew for many steps before it was lost, as of a rate that is too high for this batch; a logarithm of zero or a
    division by it comes at once."""
    last = [value for _, value in learning.values[-GROWTH_STEPS:]]
    growing = all(later > earlier > 0 for earlier, later in pairwise(last))
    return len(last) == GROWTH_STEPS and growing and last[-1] > GROWTH * learning.first


def _learned_and_left(learning: Learning) -> bool:
    """It came within 5 % of its floor and then grew beyond its start: too large steps for one batch, not a NaN that
    comes of what was learned (the logarithm of a probability that became 0)."""
    return learning.way is not None and learning.way >= 1 - LEFT and learning.values[-1][1] > learning.first


_LOST = "Look for log or division of a value that can be 0 and for exp of a large one; lower the learning rate."


def _cannot_judge(trial: Trial) -> StageReport | None:
    run = trial.run
    note = run.facts.stage_data if run.facts is not None else None
    if note is not None and note.trouble:
        return trial.report(
            INCONCLUSIVE, f"{trial.data} could not be given to the script ({note.trouble}): {trial.line}",
            "Judge by the subset stage.",
        )  # fmt: skip
    if len(trial.learnings) > 1:
        names = ", ".join(
            f"{one.series.name} {text.number(one.first)} → {text.number(one.last)}" for one in trial.learnings
        )
        return trial.report(
            INCONCLUSIVE, f"{len(trial.learnings)} losses go backward and may oppose each other, as in a GAN, so that "
            f"there is no floor for them together: {names}",
            "Look at the curves: each loss should stay finite and hover, none should go to 0 and stay there.",
        )  # fmt: skip
    if run.ended_by_stage is None and run.snapshot.step < trial.budget:
        code = nonzero_exit(run)
        how = f" with exit code {code}" if code else ""
        return trial.report(
            INCONCLUSIVE, f"the script ended itself{how} after {run.snapshot.step} of {trial.budget} steps: "
            f"{trial.line}", "Let it go on for longer (its own option for steps or epochs), or give a larger lr.",
        )  # fmt: skip
    return None


def _warmed_up(trial: Trial) -> StageReport | None:
    """A schedule that starts low was held at its base value: a loss that did not get there may have left for that."""
    warmup = rates.warmup(trial.run)
    if not warmup:
        return None
    return trial.report(
        INCONCLUSIVE, f"the script warms its learning rate up, which this stage leaves out ({warmup}): {trial.line}",
        "Judge by the subset stage, which leaves the schedule alone.", _causes(trial),
    )  # fmt: skip


def _slow_or_stuck(trial: Trial, failed: Callable[[Trial, list[Cause], Trend], StageReport]) -> StageReport:
    learning = trial.learnings[0]
    tail = trend(learning)
    if run_steps(trial) < ENOUGH_STEPS:
        return trial.report(
            INCONCLUSIVE, f"only {text.plural(run_steps(trial), 'step')}: {trial.line}", "Give the stage more steps.",
        )  # fmt: skip
    return failed(trial, _causes(trial), tail)


def run_steps(trial: Trial) -> int:
    return trial.run.snapshot.step


def _causes(trial: Trial) -> list[Cause]:
    return causes(trial.run, trial.learning)


def _with_numbers(trial: Trial, what: str) -> str:
    return f"{what}; {trial.line}" if trial.learnings else what
