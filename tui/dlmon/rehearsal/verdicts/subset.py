"""The verdict of subset: trained on a part of the data, the evaluation loss must fall beyond its noise."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from dlmon import text
from dlmon.checks.finding import ERROR
from dlmon.rehearsal.report import FAIL, INCONCLUSIVE, PASS, StageReport
from dlmon.rehearsal.stage_run import StageRun
from dlmon.rehearsal.verdicts.common import (
    advised,
    changes,
    go_on,
    last_line,
    make_report,
    nonzero_exit,
    not_applicable,
    standing,
    stopped,
    thinned,
    told,
)
from dlmon.rehearsal.verdicts.learning import Learning, learning_of, main_series, numbers
from dlmon_probes import events

BEYOND = 2.0  # × the noise: what counts as a fall
ENOUGH = 3  # evaluations without any fall before it is said that there is none
COMPARABLE = 3.0  # an evaluation's loss and the training's first may differ by other terms, but not by more than this


@dataclass(frozen=True)
class Course:
    """The evaluations of one kind over the run. values: (step, loss or, where no loss is known, 1 − accuracy)."""

    name: str
    what: str
    values: Sequence[tuple[int, float]]
    samples: int

    @property
    def first(self) -> float:
        return self.values[0][1]

    @property
    def best(self) -> float:
        return min(value for _, value in self.values[1:]) if len(self.values) > 1 else self.first

    @property
    def noise(self) -> float:
        """What two evaluations of one model may differ by: as for a loss whose samples spread about as much as it is
        large, and as the evaluations jump."""
        guessed = abs(self.first) / math.sqrt(max(1, self.samples))
        values = [value for _, value in self.values]
        bends = [abs(a - 2 * b + c) / math.sqrt(6) for a, b, c in zip(values, values[1:], values[2:], strict=False)]
        return max(guessed, median(bends)) if len(bends) >= 2 else guessed


def judge(run: StageRun) -> StageReport:
    """pass: the evaluation loss fell, from its first value or from the training's first, by more than its noise."""
    early = not_applicable(run)
    if early is not None:
        return early
    found = standing(run)
    errors = [finding for finding in found if finding.severity == ERROR]
    learnings = [learning for series in main_series(run) if (learning := learning_of(run, series)) is not None]
    courses = courses_of([view.event for view in run.snapshot.evaluations if view.rank == _leader(run)])
    evidence = _evidence(run, courses, learnings)
    if errors:
        return make_report(run, FAIL, told(errors[0]), advised(errors[0]), evidence=evidence)
    if run.aborted:
        return stopped(run, evidence=evidence)
    code = nonzero_exit(run)
    if code:
        return make_report(
            run, FAIL, f"the script ended with exit code {code} after {text.plural(run.snapshot.step, 'step')}"
            f"{last_line(run)}", "The last lines of its output say why.", evidence=evidence,
        )  # fmt: skip
    fallen = next((line for course in courses if (line := _fallen(course, learnings))), "")
    if fallen:
        return make_report(run, PASS, fallen, go_on(run), evidence=evidence)
    if run.timed_out:
        return stopped(run, evidence=evidence)
    return _no_fall(run, courses, learnings, evidence)


def _leader(run: StageRun) -> int:
    return run.facts.rank if run.facts is not None else 0


def courses_of(evaluations: Sequence[events.Evaluation]) -> list[Course]:
    """By loader and name, in the order in which they first came."""
    grouped: dict[tuple[int, str], list[events.Evaluation]] = {}
    for event in evaluations:
        grouped.setdefault((event.loader, event.name), []).append(event)
    courses = []
    for (_, name), rows in grouped.items():
        losses = [(row.step, row.loss) for row in rows if row.loss is not None and math.isfinite(row.loss)]
        wrong = [(row.step, 1 - row.accuracy) for row in rows if row.accuracy is not None]
        values, what = (losses, "loss") if losses else (wrong, "error rate")
        if values:
            courses.append(Course(name or "evaluation", what, values, max(row.samples for row in rows)))
    return courses


def _fallen(course: Course, learnings: Sequence[Learning]) -> str:
    """What fell, with numbers; "" where nothing did."""
    noise = BEYOND * course.noise
    if len(course.values) > 1 and course.first - course.best > noise:
        times = text.plural(len(course.values), "evaluation")
        return f"{course.name} {course.what} {_pair(course, course.first, course.best)} over {times}"
    start = _comparable_start(course, learnings)
    lowest = min(value for _, value in course.values)
    if start is not None and start - lowest > noise:
        return f"{course.name} {course.what} {text.number(lowest)}, the first training loss was {text.number(start)}"
    return ""


def _pair(course: Course, before: float, after: float) -> str:
    show = text.percent if course.what == "error rate" else text.number
    return f"{show(before)} → {show(after)}"


def _comparable_start(course: Course, learnings: Sequence[Learning]) -> float | None:
    """The first training loss, where it is one that the evaluation's can be held against."""
    if course.what != "loss" or len(learnings) != 1:
        return None
    start, last = learnings[0].first, learnings[0].last
    low, high = sorted((abs(start), abs(last)))
    return start if low / COMPARABLE <= abs(course.first) <= COMPARABLE * max(high, 1e-12) else None


def _no_fall(
    run: StageRun, courses: Sequence[Course], learnings: Sequence[Learning], evidence: dict[str, Any]
) -> StageReport:
    training = "; ".join(numbers(learning) for learning in learnings[:2])
    if not courses:
        ran = run.snapshot.evaluations
        why = "evaluation ran, but neither its loss nor its accuracy could be read" if ran else "no evaluation ran"
        return make_report(
            run, INCONCLUSIVE, f"{why}; training: {training or 'no loss was seen'}",
            "Give the script an evaluation on data it does not train on." if not ran else "Judge by its own output.",
            evidence=evidence,
        )  # fmt: skip
    course = max(courses, key=lambda course: len(course.values))
    noise = text.number(course.noise)
    line = f"{course.name} {course.what} {_pair(course, course.first, course.best)}, noise about {noise}"
    start = _comparable_start(course, learnings)
    if len(course.values) < ENOUGH or start is None or course.best - start < BEYOND * course.noise:
        what = text.plural(len(course.values), "evaluation")
        return make_report(
            run, INCONCLUSIVE, f"no clear fall in {what}: {line}; training: {training}",
            f"Give it more of the data: --fraction {min(1.0, 3 * run.options.fraction):g}.", evidence=evidence,
        )  # fmt: skip
    return make_report(
        run, FAIL, f"evaluation never got better than an untrained model: {line}, first training loss "
        f"{text.number(start)}; training: {training}",
        "If the training loss fell, the model learns what does not carry over: compare how both data sets are made "
        "and normalised, and whether evaluation is in eval mode.", evidence=evidence,
    )  # fmt: skip


def _evidence(run: StageRun, courses: Sequence[Course], learnings: Sequence[Learning]) -> dict[str, Any]:
    curves = {learning.series.name: thinned(learning.values) for learning in learnings}
    curves |= {f"{course.name} {course.what}": thinned(course.values) for course in courses}
    return {"curves": curves, "part": changes(run), "fraction": run.options.fraction}
