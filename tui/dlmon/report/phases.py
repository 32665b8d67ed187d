"""Where a run's time went, by what its log says of it."""

from __future__ import annotations

from dataclasses import dataclass

from dlmon.report.evidence import Evidence, Process


@dataclass(frozen=True)
class PhaseTime:
    """A part of the run's time. share: of the whole, 0 to 1."""

    name: str
    seconds: float
    share: float


BEFORE, IMPORTS, WAITING, STEPS, EVALUATION, REST = (
    "before the first step", "importing torch", "waiting for data", "training steps", "evaluation", "everything else",
)  # fmt: skip


def phase_times(evidence: Evidence) -> tuple[PhaseTime, ...]:
    """Parts in the order in which a run meets them; they add up to the whole. Empty without a step, or with several
    trainings one after another."""
    snapshot = evidence.view.snapshot
    process = evidence.main
    if process is None or not process.timed_steps or len(evidence.processes) > 1:
        return ()
    if snapshot.started is None or process.first_step_at is None or snapshot.elapsed <= 0:
        return ()
    parts = _parts(process, evidence.machine.imports, snapshot.started, snapshot.elapsed)
    return tuple(PhaseTime(name, seconds, seconds / snapshot.elapsed) for name, seconds in parts if seconds > 0)


def _parts(process: Process, importing: float | None, started: float, whole: float) -> list[tuple[str, float]]:
    first = process.first_step_at or started
    imports = min(importing or 0.0, max(0.0, first - started))
    before = max(0.0, first - started - imports)
    evaluating = sum(max(0.0, one.seconds) for one in process.evaluations)
    inside = sum(max(0.0, one.seconds) for one in process.evaluations if 0 < one.step < process.steps)
    waiting = min(process.waited, process.step_seconds)
    computing = max(0.0, process.step_seconds - waiting - inside)
    known = [(IMPORTS, imports), (BEFORE, before), (WAITING, waiting), (STEPS, computing), (EVALUATION, evaluating)]
    rest = whole - sum(seconds for _, seconds in known)
    return [*known, (REST, max(0.0, rest))]
