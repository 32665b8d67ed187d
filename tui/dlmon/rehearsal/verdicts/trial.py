"""One run of engine or overfit: what was measured of its losses, and the evidence that its report carries."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from dlmon import text
from dlmon.checks.finding import Finding
from dlmon.rehearsal.report import StageReport
from dlmon.rehearsal.stage_run import StageRun
from dlmon.rehearsal.verdicts.causes import worst_gradients
from dlmon.rehearsal.verdicts.common import make_report, standing, thinned
from dlmon.rehearsal.verdicts.learning import Learning, learning_of, main_series, numbers
from dlmon.rehearsal.verdicts.suspicions import Cause

ERRORS_LEFT = 0.2  # of the errors that guessing makes may be left when a batch counts as learned
MEAN_LEFT = 0.5  # of the variance of the targets: above it a model does little better than to predict their mean


@dataclass(frozen=True)
class Trial:
    """One stage of this kind. budget: steps it had. data: what it trained on, in words."""

    run: StageRun
    budget: int
    data: str
    findings: tuple[Finding, ...]
    learnings: tuple[Learning, ...]

    @property
    def learning(self) -> Learning | None:
        return self.learnings[0] if len(self.learnings) == 1 else None

    @property
    def synthetic(self) -> bool:
        note = self.run.facts.stage_data if self.run.facts is not None else None
        return note is not None and note.how == "synthetic"

    @property
    def line(self) -> str:
        return "; ".join(numbers(learning) for learning in self.learnings)

    def report(self, verdict: str, summary: str, next_step: str, found: Sequence[Cause] = ()) -> StageReport:
        return make_report(self.run, verdict, summary, next_step, findings=self.findings, evidence=self.evidence(found))

    def evidence(self, found: Sequence[Cause] = ()) -> dict[str, Any]:
        facts: dict[str, Any] = {
            "curves": {learning.series.name: thinned(learning.values) for learning in self.learnings},
            "losses": [_learning_json(learning) for learning in self.learnings],
            "budget": self.budget,
            "gradients": worst_gradients(self.run.snapshot.parameters),
            "causes": [cause.as_json() for cause in found],
        }
        note = self.run.facts.stage_data if self.run.facts is not None else None
        if note is not None:
            facts["data"] = {
                "how": note.how, "source": note.source, "roles": dict(note.roles), "trouble": note.trouble,
                "looks": note.looks, "same": note.same,
            }  # fmt: skip
        return facts


def _learning_json(learning: Learning) -> dict[str, Any]:
    return {
        "name": learning.series.name, "first": learning.first, "last": learning.last, "best": learning.best,
        "best_step": learning.best_step, "floor": learning.floor, "floor_how": learning.floor_how,
        "accuracy": learning.accuracy, "chance": learning.chance,
    }  # fmt: skip


def open_trial(run: StageRun, budget: int, data: str) -> Trial:
    note = run.facts.stage_data if run.facts is not None else None
    # The first batch is the script's own in any case: synthetic ones are made from it.
    since = note.step + 1 if note is not None and note.how == "synthetic" and not note.trouble else 0
    learnings = (learning_of(run, series, since) for series in main_series(run))
    return Trial(run, budget, data, standing(run), tuple(item for item in learnings if item is not None))


def without_floor(learning: Learning) -> str:
    """What can be said of a loss whose floor is not known."""
    fell = f", fell by {text.percent(learning.fall)}" if learning.fall and learning.fall > 0 else ""
    return f"no floor can be known ({learning.floor_how}): {numbers(learning, floor=False)}{fell}"


def learned_by_accuracy(learning: Learning, share: float, *, errors_left: float) -> bool:
    """Accuracy of at least `share` that leaves at most `errors_left` of the errors which guessing makes: with 99.5 %
    background a mask that is all background is right in 99.5 % of its pixels and has learned nothing."""
    if learning.accuracy is None:
        return False
    chance = learning.chance if learning.chance is not None else 0.0
    return learning.accuracy >= max(share, 1 - errors_left * (1 - chance))


def better_than_guessing(learning: Learning, left: float) -> bool:
    """False where a squared error is no better than the variance of the targets, or a class loss than the entropy of
    the labels, however far it fell to get there. left: the share of that entropy that may be left."""
    if learning.spread is not None and learning.best > MEAN_LEFT * learning.spread:
        return False
    floor = learning.floor or 0.0
    return learning.entropy is None or learning.best - floor <= left * max(0.0, learning.entropy - floor)
