"""What the verdicts of all stages share: how a stage ended, which findings count, and the report's frame."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from dlmon import text
from dlmon.checks.finding import ERROR, WARNING, Finding
from dlmon.checks.registry import TREND
from dlmon.plain import plain
from dlmon.rehearsal.report import INCONCLUSIVE, Item, StageReport
from dlmon.rehearsal.stage_run import StageRun
from dlmon_probes import events
from dlmon_probes.stages import plan

MOST_CURVE_POINTS = 400  # of a curve in a report: more than any chart of ours has columns

_ORDER = {ERROR: 0, WARNING: 1}


def make_report(
    run: StageRun,
    verdict: str,
    summary: str,
    next_step: str,
    *,
    items: Sequence[Item] = (),
    findings: Sequence[Finding] | None = None,
    evidence: Mapping[str, Any] | None = None,
) -> StageReport:
    """The report of a stage with what every report carries. findings: those that stand, unless others are given."""
    return StageReport(
        name=run.name,
        verdict=verdict,
        summary=text.clean(summary),
        seconds=run.seconds,
        items=tuple(Item(item.name, item.verdict, text.clean(item.detail)) for item in items),
        findings=standing(run) if findings is None else tuple(findings),
        next_step=text.clean(next_step),
        evidence=plain({"steps": run.snapshot.step, **(evidence or {})}),
        run=run.run,
        exit_code=None if run.ended_by_stage is not None else run.snapshot.exit_code,
        files=tuple(run.files),
    )


def standing(run: StageRun) -> tuple[Finding, ...]:
    """The findings that hold at the end, worst first, without those that only follow from the stage itself: from how it
    ended, or from the batches and the learning rate that it put in the place of the script's."""
    found = [finding for finding in run.view.judgement.findings if not finding.resolved]
    return tuple(
        finding for finding in found if not _follows_from_the_end(run, finding) and not _is_artificial(run, finding)
    )


def _is_artificial(run: StageRun, finding: Finding) -> bool:
    """What the checks say of data and of the loss's course holds for the script's own data and schedule only."""
    if run.name not in (plan.ENGINE, plan.OVERFIT, plan.LR) or finding.id in _OF_ANY_DATA:
        return False
    return finding.id.startswith(("data.", "eval.")) or finding.id in TREND


_OF_ANY_DATA = ("data.labels_out_of_range", "data.nan")


def _follows_from_the_end(run: StageRun, finding: Finding) -> bool:
    """True of a crash that came after the stage had told the script to end, or from its being stopped."""
    if not finding.id.startswith("crash."):
        return False
    if run.timed_out or run.aborted:
        return finding.id == "crash.killed" or finding.evidence.get("type") == "KeyboardInterrupt"
    ends = [note.t for facts in run.snapshot.facts.values() for note in facts.stage if note.action == "end"]
    crashes = [facts.crash.t for facts in run.snapshot.facts.values() if facts.crash is not None]
    return bool(ends) and (not crashes or min(crashes) >= min(ends))


def serious(findings: Iterable[Finding]) -> list[Finding]:
    """Errors, then warnings: a fault, or very likely one."""
    return sorted((f for f in findings if f.severity in _ORDER), key=lambda f: _ORDER[f.severity])


def crash_of(findings: Iterable[Finding]) -> Finding | None:
    return next((finding for finding in findings if finding.id.startswith("crash.")), None)


def is_crash(finding: Finding) -> bool:
    """True if the script died of it: `crash.*`, and the fault that explains a crash in its place."""
    return finding.id.startswith("crash.") or "message" in finding.evidence


def at(finding: Finding) -> str:
    """` (train.py:41)`, or nothing."""
    return f" ({text.place(finding.where.file, finding.where.line)})" if finding.where else ""


def told(finding: Finding) -> str:
    """The finding in one line, with its place."""
    return f"{finding.title}{at(finding)}"


def advised(finding: Finding) -> str:
    """What to do about a finding; where it is, `told` says."""
    return finding.advice or finding.title


_AFTER = {
    plan.SMOKE: "Go on to engine, or straight to overfit.",
    plan.ENGINE: "Go on to overfit: the same with one batch of your data.",
    plan.OVERFIT: "Go on to subset, or to the full run.",
    plan.LR: "Keep this learning rate, and go on.",
    plan.SUBSET: "Go on to the full run.",
}


def go_on(run: StageRun) -> str:
    """What comes after a stage that passed."""
    return _AFTER.get(run.name, "Nothing is left to do.")


def stopped(run: StageRun, *, evidence: Mapping[str, Any] | None = None, items: Sequence[Item] = ()) -> StageReport:
    """The report of a stage that somebody or the time limit stopped before its verdict was certain."""
    if run.aborted:
        summary = f"stopped by hand after {text.duration(run.seconds)}, {where_it_stood(run)}"
        step = f"Run {run.name} again when you want its verdict."
    else:
        summary = f"not done after {text.duration(run.seconds)}, {where_it_stood(run)}"
        step = f"Give it more time (--timeout {_longer(run.options.timeout)}), or make the script's start cheaper."
    return make_report(run, INCONCLUSIVE, summary, step, items=items, evidence=evidence)


def _longer(timeout: float) -> str:
    return f"{max(60.0, 3 * timeout):.0f}"


def where_it_stood(run: StageRun) -> str:
    """ "at step 12, evaluating", with the last line of the output where no step was done."""
    snapshot = run.snapshot
    phase = snapshot.ranks[0].phase.replace("_", " ") if snapshot.ranks and snapshot.ranks[0].phase else ""
    if snapshot.step:
        return f"at step {text.count(snapshot.step)}" + (f", {phase}" if phase and phase != "training" else "")
    words = {"": "before torch was imported", "python": "before torch was imported", "torch ready": "before the loop"}
    stood = words.get(phase, phase)
    return f"before its first optimizer step ({stood}){last_line(run)}"


def last_line(run: StageRun) -> str:
    """`; its last output line: "…"`, or nothing."""
    line = next((line.strip() for line in reversed(run.output) if line.strip()), "")
    return f'; its last output line: "{text.clean(line)[:160]}"' if line else ""


def not_applicable(run: StageRun) -> StageReport | None:
    """The report of a stage that ended itself since it has nothing to do with such a script."""
    note = run.ended_by_stage
    if note is None or note.reason != "not applicable":
        return None
    return make_report(
        run, INCONCLUSIVE, f"not applicable: {note.detail or 'this stage cannot be done with this script'}",
        "Nothing to do: the other stages judge this script.",
    )  # fmt: skip


def nonzero_exit(run: StageRun) -> int | None:
    """The script's own exit code, where it ended itself with another than 0."""
    code = run.snapshot.exit_code
    return code if code and run.ended_by_stage is None and not (run.timed_out or run.aborted) else None


def changes(run: StageRun) -> list[str]:
    """What the stage made different in the process, in its own words."""
    notes: Sequence[events.Stage] = run.facts.stage if run.facts is not None else ()
    return [note.detail for note in notes if note.action == "change" and note.detail]


def thinned(points: Sequence[tuple[float, float]], most: int = MOST_CURVE_POINTS) -> list[list[float]]:
    """At most about `most` of the points, first and last among them."""
    if len(points) <= most:
        return [list(point) for point in points]
    stride = -(-len(points) // most)
    kept = list(points[::stride])
    if kept[-1] != points[-1]:
        kept.append(points[-1])
    return [list(point) for point in kept]
