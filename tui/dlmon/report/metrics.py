"""metrics_summary.json: the numbers of a run in one place, with what is not known said by name."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from dlmon.checks.finding import SEVERITIES
from dlmon.report.answers import Answers, calibration_error, per_class
from dlmon.report.evaluations import Group, best_training, test
from dlmon.report.evidence import Evidence, Process
from dlmon.report.phases import phase_times
from dlmon.state.snapshot import SeriesView

DIGITS = 7


def summary(evidence: Evidence, answers: Answers, missing: Sequence[str]) -> dict[str, Any]:
    """A JSON object; numbers that are not finite are words. missing: what the log does not hold."""
    snapshot = evidence.view.snapshot
    process = evidence.main
    training, group = best_training(process) if process else (None, None)
    return {
        "run": evidence.name,
        "state": snapshot.state,
        "exit_code": snapshot.exit_code,
        "signal": snapshot.signal or None,
        "seconds": rounded(snapshot.elapsed),
        "steps": process.steps if process else 0,
        "processes": snapshot.world,
        "seed": process.seed if process else None,
        "losses": {} if process is None else {view.name: _series(view) for view in process.losses.values()},
        "validation": _group(group),
        "test": _group(test(process, training) if process else None),
        "predictions": _predictions(answers),
        "step_seconds": _step_seconds(process),
        "phase_seconds": {phase.name: rounded(phase.seconds) for phase in phase_times(evidence)},
        "peak_gpu_bytes": process.peak_gpu if process else None,
        "peak_host_bytes": process.peak_host if process else None,
        "findings": _findings(evidence),
        "not_recorded": list(missing),
    }


def _series(view: SeriesView) -> dict[str, Any]:
    lowest = min(range(len(view.points.low)), key=lambda i: view.points.low[i], default=None)
    return {
        "first": rounded(view.first[0][1]) if view.first else None,
        "last": rounded(view.last),
        "lowest": None if lowest is None else rounded(view.points.low[lowest]),
        "values": view.count,
        "not_finite": len(view.points.nonfinite),
    }


def _group(group: Group | None) -> dict[str, Any] | None:
    if group is None:
        return None
    best, last = group.best, group.passes[-1]
    row: dict[str, Any] = {
        "name": group.label,
        "called": group.said or None,
        "passes": len(group.passes),
        "samples": last.samples,
    }
    for name, one in (("best", best), ("last", last)):
        row[name] = one and {"step": one.step, "loss": rounded(one.loss), "accuracy": rounded(one.accuracy)}
    return row


def _predictions(answers: Answers) -> dict[str, Any] | None:
    found = answers.predictions
    if found is None:
        return None
    classes = {
        row.name: {"support": row.support, "precision": rounded(row.precision), "recall": rounded(row.recall)}
        for row in per_class(found)
    }
    row: dict[str, Any] = {
        "pass": answers.which, "task": found.task, "samples": found.samples, "looked_at": found.looked_at,
        "positions": found.positions or None, "right": rounded(found.right),
        "top": {f"top_{k}": rounded(share) for k, share in found.top.items()},
        "calibration_error": rounded(calibration_error(found)), "classes": classes,
        "mae": rounded(found.mae), "rmse": rounded(found.rmse), "r2": rounded(found.r2),
        "residual_quantiles": {q: rounded(value) for q, value in found.quantiles.items()},
        "perplexity": rounded(found.perplexity),
    }  # fmt: skip
    return {name: value for name, value in row.items() if value not in (None, {})}


def _step_seconds(process: Process | None) -> dict[str, Any] | None:
    if process is None or not process.timed_steps:
        return None
    return {
        "mean": rounded(process.step_seconds / process.timed_steps),
        "waiting_share": rounded(min(1.0, process.waited / process.step_seconds)) if process.step_seconds > 0 else None,
    }


def _findings(evidence: Evidence) -> dict[str, Any]:
    judgement = evidence.view.judgement
    standing = [finding for finding in judgement.findings if not finding.resolved]
    row: dict[str, Any] = {name: sum(f.severity == name for f in standing) for name in SEVERITIES}
    return row | {"resolved": len(judgement.findings) - len(standing), "not_judged": len(judgement.abstained)}


def rounded(value: float | None) -> float | str | None:
    """Seven significant digits; NaN and infinities as words, which JSON has no numbers for."""
    if value is None:
        return None
    if not math.isfinite(value):
        return str(value)
    return float(f"{value:.{DIGITS}g}")
