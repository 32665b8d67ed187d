"""Everything that the files of a pack are written from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dlmon.rehearsal.report import Record
from dlmon.report.answers import Answers, answers
from dlmon.report.checkpoints import Loader, Pointer, best_checkpoint
from dlmon.report.evidence import Evidence
from dlmon.report.tables import LogRow, ModelRow, model_comparison, training_log


@dataclass(frozen=True)
class Contents:
    """evidence: of the run that the pack is about. models: of it and the runs beside it. notes: what the pack lacks."""

    evidence: Evidence
    rows: tuple[LogRow, ...]
    models: tuple[ModelRow, ...]
    answers: Answers
    checkpoint: Pointer
    rehearsals: tuple[Record, ...] = ()
    notes: tuple[str, ...] = ()


def contents(
    runs: Sequence[Evidence],
    *,
    rehearsals: Sequence[Record] = (),
    notes: Sequence[str] = (),
    load: Loader | None = None,
) -> Contents:
    """The pack of the first run; the others stand beside it in the comparison of models."""
    first = runs[0]
    return Contents(
        evidence=first,
        rows=training_log(first),
        models=model_comparison(runs),
        answers=answers(first.main),
        checkpoint=best_checkpoint(first, load),
        rehearsals=tuple(rehearsals),
        notes=tuple(notes),
    )
