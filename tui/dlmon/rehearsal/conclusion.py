"""What the stages together say: one sentence to go on with, which of the dearer ones are worth their time, and the exit
code of `dlmon check`."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from dlmon import text
from dlmon.rehearsal.report import FAIL, INCONCLUSIVE, PASS, Record, StageReport
from dlmon.rehearsal.stages import REVIEW, STAGES
from dlmon_probes.stages.plan import ENGINE, FULL, LR, OVERFIT, SMOKE, SUBSET

_FAILED = 1


def exit_code(record: Record, strict: bool) -> int:
    """0: everything passed, or could not be judged. 1: a stage failed, or with `strict` was inconclusive."""
    verdicts = {report.verdict for report in record.reports}
    return _FAILED if FAIL in verdicts or (strict and INCONCLUSIVE in verdicts) else 0


def conclude(reports: Sequence[StageReport], command: str = "dlmon train.py") -> str | None:
    """What to do now, in one or two sentences; None where nothing has run. command: starts the full run."""
    verdicts = {report.name: report.verdict for report in reports}
    ran = [report for report in reports if report.verdict in (PASS, FAIL, INCONCLUSIVE)]
    if not ran:
        return None
    failed = [report for report in ran if report.verdict == FAIL]
    if verdicts.get(SMOKE) == FAIL:
        return _first(next(report for report in failed if report.name == SMOKE))
    both = _engine_and_overfit(verdicts, reports)
    if both:
        return both
    if failed:
        return _first(min(failed, key=lambda report: report.name == REVIEW))
    return _go_on(ran, command)


def _engine_and_overfit(verdicts: dict[str, str], reports: Sequence[StageReport]) -> str:
    """Which half is at fault, from the two stages that train on chosen data; "" where they do not tell."""
    pair = verdicts.get(ENGINE), verdicts.get(OVERFIT)
    if pair == (PASS, FAIL):
        return f"engine passes, overfit fails: look at the data and its labels.{_cause(reports, OVERFIT)}"
    if pair == (FAIL, FAIL):
        return f"engine and overfit fail: look at the model, the loss and the optimizer.{_cause(reports, OVERFIT)}"
    if pair == (FAIL, PASS):
        return (
            "overfit passes, engine fails: one real batch is learned, so model, loss and optimizer work; "
            f"the synthetic data may not suit this model.{_cause(reports, ENGINE)}"
        )
    return ""


def _cause(reports: Sequence[StageReport], name: str) -> str:
    """The likeliest cause that the stage's report names."""
    report = next(report for report in reports if report.name == name)
    found = report.evidence.get("causes")
    if isinstance(found, list) and found and isinstance(found[0], dict):
        return f" Likeliest: {found[0].get('cause', '')}. {found[0].get('try', '')}".rstrip()
    return ""


def _first(report: StageReport) -> str:
    """The first thing to mend."""
    step = f" {report.next_step}" if report.next_step else ""
    return f"{report.name} fails: {report.summary}.{step}"


def _go_on(ran: Sequence[StageReport], command: str) -> str:
    open_ = [report.name for report in ran if report.verdict == INCONCLUSIVE]
    if any(report.name == FULL for report in ran):
        return "the full run ended well" if not open_ else f"nothing failed; not decided: {', '.join(open_)}"
    if open_:
        return f"nothing failed, but {', '.join(open_)} could not be judged; if that is as expected, go on: {command}"
    all_ = f"all {len(ran)} stages passed" if len(ran) > 1 else f"{ran[0].name} passed"
    return f"{all_}: go on with the full run: {command}"


def full_command(record: Record) -> str:
    """What to type for the full run: `dlmon train.py --lr 0.1`."""
    return text.clean(f"dlmon {shlex.join(record.argv) if record.argv else record.script}")


def why_passed_by(reports: Sequence[StageReport], stage: str) -> str:
    """Why a stage is passed by: after a failure the dearer ones are, but overfit tells what a failed engine means. ""
    where it is to run."""
    by_name = {report.name: report for report in reports}
    smoke = by_name.get(SMOKE)
    if smoke is not None and smoke.verdict == INCONCLUSIVE and not smoke.evidence.get("steps"):
        return "the script did not come to a step in smoke"
    before = [name for name in (SMOKE, ENGINE, OVERFIT, LR, SUBSET) if STAGES.index(name) < STAGES.index(stage)]
    failed = [name for name in before if name in by_name and by_name[name].verdict == FAIL]
    if not failed or (stage == OVERFIT and failed == [ENGINE]):
        return ""
    return f"{failed[0]} failed"
