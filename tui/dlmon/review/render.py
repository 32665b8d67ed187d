"""A review as text and as JSON."""

from __future__ import annotations

import json

from dlmon import text
from dlmon.checks.finding import SEVERITIES, Finding
from dlmon.review.read import Review


def lines(review: Review) -> list[str]:
    """`train.py:41:9: warning review.softmax_before_ce: …` with the fix below each, and the counts at the end."""
    rows: list[str] = []
    for finding in review.findings:
        rows.append(text.clean(f"{place(finding)}: {finding.severity} {finding.id}: {finding.title}"))
        if finding.advice:
            rows.append(f"    {text.clean(finding.advice)}")
    return [*rows, summary(review)]


def place(finding: Finding) -> str:
    """`train.py:41:9`."""
    if finding.where is None:
        return text.MISSING
    return f"{finding.where.file}:{finding.where.line}:{finding.evidence.get('column', 1)}"


def summary(review: Review) -> str:
    """`3 files, 412 lines: 1 warning, 2 hints`."""
    counts = [text.plural(n, severity) for severity in SEVERITIES if (n := review.count(severity))]
    said = ", ".join(counts) or "nothing to say"
    more = f"; {text.plural(review.silenced, 'finding')} silenced by comments" if review.silenced else ""
    more += f"; not valid Python: {', '.join(map(text.clean, review.unread))}" if review.unread else ""
    more += f"; could not finish: {', '.join(review.failed)}" if review.failed else ""
    return f"{text.plural(review.files, 'file')}, {text.plural(review.lines, 'line')}: {said}{more}"


def as_json(review: Review) -> str:
    """The list of findings, each with its column and fix."""
    rows = []
    for finding in review.findings:
        row = finding.as_json()
        if row["where"] is not None:
            row["where"]["column"] = finding.evidence["column"]
        rows.append(row)
    return json.dumps(rows, indent=1, ensure_ascii=False)
