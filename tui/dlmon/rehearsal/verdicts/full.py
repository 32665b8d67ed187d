"""The verdict of the full run: it ended well, and nothing certain is wrong with it."""

from __future__ import annotations

from dlmon import text
from dlmon.checks.finding import ERROR
from dlmon.rehearsal.report import FAIL, PASS, StageReport
from dlmon.rehearsal.stage_run import StageRun
from dlmon.rehearsal.verdicts.common import advised, last_line, make_report, standing, stopped, told
from dlmon.state.snapshot import FINISHED, STOPPED


def judge(run: StageRun) -> StageReport:
    """pass: exit code 0 and no error. A run that a person or a scheduler stopped is inconclusive."""
    snapshot, found = run.snapshot, standing(run)
    errors = [finding for finding in found if finding.severity == ERROR]
    done = f"{text.plural(snapshot.step, 'step')} in {text.duration(run.seconds)}"
    if errors:
        return make_report(run, FAIL, told(errors[0]), advised(errors[0]))
    if run.aborted or run.timed_out or (snapshot.state == STOPPED and not errors):
        return stopped(run)
    if snapshot.exit_code or snapshot.state != FINISHED:
        code = "without a recorded exit code" if snapshot.exit_code is None else f"with exit code {snapshot.exit_code}"
        return make_report(
            run, FAIL, f"the script ended {code} after {done}{last_line(run)}",
            "The last lines of its output say why.",
        )  # fmt: skip
    losses = [
        f"{text.clean(series.name)} {text.number(series.first[0][1])} → {text.number(series.last)}"
        for series in run.losses
        if series.first
    ]
    summary = "; ".join([done, *losses[:2]])
    return make_report(run, PASS, summary, "Nothing: the training is done.")
