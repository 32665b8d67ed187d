"""Why a loss did not fall as it should: ranked, each with its numbers and what to try.

Findings of the checks come first (they are certain or nearly so), then what the facts suggest.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from dlmon.rehearsal.stage_run import StageRun
from dlmon.rehearsal.verdicts.common import is_crash, serious, standing, told
from dlmon.rehearsal.verdicts.learning import Learning
from dlmon.rehearsal.verdicts.suspicions import SAME, SUSPICIONS, Cause, Clues
from dlmon.state.snapshot import ParameterView

MOST_ROWS = 12  # of the gradient table in a report


def causes(run: StageRun, learning: Learning | None) -> list[Cause]:
    """Likeliest first; empty where nothing stands out."""
    found = [
        Cause(told(finding), finding.advice, {"finding": finding.id})
        for finding in serious(standing(run))
        if not is_crash(finding)
    ]
    if run.facts is None or learning is None:
        return found
    named = {str(cause.evidence["finding"]) for cause in found}
    clues = Clues(run, run.facts, learning)
    for suspicion in SUSPICIONS:
        if not named & SAME.get(suspicion, frozenset()):
            found += suspicion(clues)
    return found


def worst_gradients(parameters: Sequence[ParameterView]) -> list[dict[str, Any]]:
    """The gradient table of a report: what has no gradient first, then what moves least for its size."""
    trained = sorted((row for row in parameters if row.requires_grad and row.samples), key=_badness)
    return [
        {
            "name": row.name, "norm": row.norm, "weight": row.weight, "update": row.update, "zeros": row.zeros,
            "nonfinite": row.nonfinite, "step": row.step,
        }
        for row in trained[:MOST_ROWS]
    ]  # fmt: skip


def _badness(row: ParameterView) -> tuple[int, float]:
    if row.nonfinite:
        return 0, -row.nonfinite
    if row.norm is None:
        return 1, 0.0
    if row.norm == 0:
        return 2, 0.0
    return 3, row.update if row.update is not None else row.norm
