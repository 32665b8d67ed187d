"""From a stage's run to its report."""

from __future__ import annotations

from collections.abc import Callable

from dlmon.rehearsal.report import StageReport
from dlmon.rehearsal.stage_run import StageRun
from dlmon.rehearsal.verdicts import engine, full, lr, overfit, smoke, subset
from dlmon_probes.stages import plan

_VERDICTS: dict[str, Callable[[StageRun], StageReport]] = {
    plan.SMOKE: smoke.judge,
    plan.ENGINE: engine.judge,
    plan.OVERFIT: overfit.judge,
    plan.LR: lr.judge,
    plan.SUBSET: subset.judge,
    plan.FULL: full.judge,
}


def judge(run: StageRun) -> StageReport:
    """The report of a stage that has ended. Pure: the same run gives the same report."""
    return _VERDICTS[run.name](run)
