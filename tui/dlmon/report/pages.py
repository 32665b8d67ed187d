"""reports/: the shape trace, the debug checklist and the findings, as Markdown."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from dlmon import text
from dlmon.checks.finding import Finding
from dlmon.checks.registry import all_checks
from dlmon.plain import plain as finite
from dlmon.rehearsal.report import Record
from dlmon.report.evidence import Evidence
from dlmon.report.markdown import block, code, page, plain, table
from dlmon.state.checklist import describe
from dlmon_probes import events

MOST_CALLS = 2_000  # rows of a shape trace
WORDS = {"pass": "pass", "fail": "fail", "waiting": "not seen", "unknown": "not checked"}
NOTHING = "nothing found"
NOT_JUDGED = "not checked"


@dataclass(frozen=True)
class CheckRow:
    """One line of the checklist. verdict: pass, fail, inconclusive, warning, hint, resolved, not seen, not checked."""

    name: str
    verdict: str
    evidence: str


def smoke_rows(evidence: Evidence) -> list[CheckRow]:
    """What the run's own first steps show."""
    return [
        CheckRow(item.name, WORDS.get(item.verdict, item.verdict), text.clean(item.detail))
        for item in evidence.view.snapshot.smoke
    ]


def check_rows(evidence: Evidence) -> list[CheckRow]:
    """Every check there is, with what it says or why it cannot."""
    judgement = evidence.view.judgement
    found: dict[str, list[Finding]] = {}
    for finding in judgement.findings:
        found.setdefault(finding.id, []).append(finding)
    silent = {abstained.id: abstained.reason for abstained in judgement.abstained}
    known = all_checks()
    rows = []
    for registered in known:
        if registered.id in found:
            rows += [_found(finding) for finding in found.pop(registered.id)]
        elif registered.id in silent:
            rows.append(CheckRow(registered.id, NOT_JUDGED, text.clean(f"lacks {silent[registered.id]}")))
        else:
            rows.append(CheckRow(registered.id, NOTHING, text.clean(f"looked at {registered.needs}")))
    return rows + [_found(finding) for several in found.values() for finding in several]


def _found(finding: Finding) -> CheckRow:
    where = f" ({text.place(finding.where.file, finding.where.line)})" if finding.where else ""
    return CheckRow(finding.id, "resolved" if finding.resolved else finding.severity, text.clean(finding.title) + where)


def debug_checklist(evidence: Evidence, rehearsals: Sequence[Record]) -> str:
    lines = [f"# Debug checklist of {plain(evidence.name)}", ""]
    lines += ["## The first steps", "", *_table(smoke_rows(evidence))]
    for record in rehearsals:
        lines += ["", f"## Rehearsal of {plain(record.script)}", "", *_stages(record)]
    if not rehearsals:
        lines += ["", "## Rehearsal", "", "not checked: no rehearsal was given; `dlmon check` makes one."]
    lines += ["", "## All checks", "", *_table(check_rows(evidence))]
    return page(lines)


def _table(rows: Sequence[CheckRow]) -> list[str]:
    return table(("item", "verdict", "evidence"), ((code(r.name), r.verdict, plain(r.evidence)) for r in rows))


def _stages(record: Record) -> Iterator[str]:
    yield from table(
        ("stage", "verdict", "time", "evidence"),
        ((code(r.name), plain(r.verdict), text.duration(r.seconds), plain(r.summary)) for r in record.reports),
    )
    for report in record.reports:
        if report.items:
            yield ""
            yield f"### {plain(report.name)}"
            yield ""
            yield from _table([CheckRow(i.name, text.clean(i.verdict), text.clean(i.detail)) for i in report.items])
        if report.next_step and report.verdict != "pass":
            yield ""
            yield f"Next: {plain(report.next_step)}"


def findings(evidence: Evidence) -> str:
    judgement = evidence.view.judgement
    now = [finding for finding in judgement.findings if not finding.resolved]
    gone = [finding for finding in judgement.findings if finding.resolved]
    lines = [f"# Findings of {plain(evidence.name)}", ""]
    lines += [line for finding in now for line in _finding(finding)] or ["The checks found nothing wrong."]
    if gone:
        lines += ["", "## Resolved", "", "Seen on the way, and not at the end."]
        lines += [line for finding in gone for line in _finding(finding)]
    silent = len(judgement.abstained)
    lines += ["", f"{text.plural(silent, 'check')} lacked the facts to judge: see debug_checklist.md."]
    return page(lines)


def _finding(finding: Finding) -> Iterator[str]:
    yield ""
    yield f"## {finding.severity}: {plain(finding.title)}"
    yield ""
    yield f"- id: {code(finding.id)}; `dlmon explain {text.clean(finding.id)}` says more"
    if finding.where is not None:
        shown = f": {code(finding.where.text)}" if finding.where.text else ""
        yield f"- at {code(f'{finding.where.file}:{finding.where.line}')}{shown}"
    if finding.step is not None:
        yield f"- since step {finding.step:,}"
    if finding.rank is not None:
        yield f"- rank {finding.rank}"
    if finding.advice:
        yield f"- to do: {plain(finding.advice)}"
    if finding.evidence:
        shown = json.dumps(finite(finding.evidence), indent=1, ensure_ascii=False, sort_keys=True, default=str)
        yield ""
        yield from block([text.clean(line) for line in shown.splitlines()], "json")


def trace_of(evidence: Evidence) -> events.Activations | None:
    leader = evidence.view.snapshot.leader
    return leader.first_activations if leader else None


def shape_trace(evidence: Evidence) -> str:
    trace = trace_of(evidence)
    lines = [f"# Shape trace of {plain(evidence.name)}", ""]
    if trace is None:
        return page([*lines, "not recorded: no module call was seen in a sampled step."])
    lines += [f"The calls of step {trace.step:,}, in their order.", "", *_batch(evidence, trace.step), ""]
    header = ("module", "class", "input", "output", "type", "mean", "std", "zeros")
    lines += table(header, (_call(call) for call in trace.modules[:MOST_CALLS]), right=(5, 6, 7))
    if trace.truncated or len(trace.modules) > MOST_CALLS:
        lines += ["", "Further calls were left out."]
    return page(lines)


def _batch(evidence: Evidence, step: int) -> list[str]:
    leader = evidence.view.snapshot.leader
    batches = [batch for batch in (leader.batches if leader else ()) if batch.step <= step]
    first = min(batches, key=lambda batch: batch.step, default=None)
    return (
        [] if first is None else ["Batch: " + "; ".join(f"{code(t.path)} {plain(describe(t))}" for t in first.tensors)]
    )


def _call(call: events.Activation) -> tuple[str, ...]:
    facts = call.output
    name = code(call.module) or "(the model)"
    return (
        name, plain(call.cls), shapes(call.inputs), shapes(call.outputs), plain(facts.dtype) if facts else text.MISSING,
        text.number(facts.mean) if facts else text.MISSING, text.number(facts.std) if facts else text.MISSING,
        text.percent(facts.zeros) if facts else text.MISSING,
    )  # fmt: skip


def shapes(several: Sequence[Sequence[int]]) -> str:
    return ", ".join(text.shape(sizes) for sizes in several[:4]) or text.MISSING
