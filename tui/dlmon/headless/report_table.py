"""The verdicts of a rehearsal as a table, and below it what is wrong: pure text, in any width, in ASCII if need be."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator
from pathlib import Path

from dlmon import text
from dlmon.checks.finding import HINT, Finding
from dlmon.rehearsal.conclusion import conclude, full_command
from dlmon.rehearsal.report import FAIL, INCONCLUSIVE, PASS, SKIPPED, Record, StageReport
from dlmon.runs import short

STAGE, VERDICT, TIME = 9, 14, 9  # columns
INDENT = 4

_SIGNS = {PASS: "✓", FAIL: "✗", INCONCLUSIVE: "?", SKIPPED: "–"}
_ASCII_SIGNS = {PASS: "ok", FAIL: "x", INCONCLUSIVE: "?", SKIPPED: "-"}
_LOOK_ALIKES = {
    "×": "x", "–": "-", "—": "-", "…": "...", "µ": "u", "·": ".", "→": "->", "←": "<-", "≥": ">=", "≤": "<=", "Δ": "d",
    "‘": "'", "’": "'", "“": '"', "”": '"', "≈": "~", "±": "+-", "²": "^2", "✓": "ok", "✗": "x", "−": "-", "π": "pi",
}  # fmt: skip
_FOLD = str.maketrans(_LOOK_ALIKES)
_UNIT = re.compile(r"(?<=\d) (?=(?:%|µs|ms|s|min|h|[KMGT]i?B|B)(?!\w))")
_TIE = "\N{NO-BREAK SPACE}"  # a number stays with its unit


def sign(verdict: str, *, ascii: bool = False) -> str:
    return (_ASCII_SIGNS if ascii else _SIGNS).get(verdict, "." if ascii else "·")


def in_ascii(line: str) -> str:
    """Look-alikes where there are any, `?` for the rest."""
    return line.translate(_FOLD).encode("ascii", "replace").decode("ascii")


def table(record: Record, folder: Path, *, width: int = 100, ascii: bool = False) -> list[str]:
    """The lines of the result: the table, what is wrong stage by stage, and what to do now."""
    lines = [f"{'stage':<{STAGE}}{'verdict':<{VERDICT}}{'time':>{TIME}}  result"]
    for report in record.reports:
        lines += _row(report, width, ascii)
    for report in record.reports:
        told = [line for block in _details(report) for line in block_lines(block, width)]
        if told:
            lines += ["", f"{report.name}:", *told]
    closing = conclude(record.reports, full_command(record))
    lines.append("")
    if closing:
        lines += _wrapped(closing[:1].upper() + closing[1:], width, 0, 0)
    lines.append(f"recorded in {text.clean(short(folder))}")
    return [in_ascii(line) for line in lines] if ascii else lines


def _row(report: StageReport, width: int, ascii: bool) -> list[str]:
    verdict = f"{sign(report.verdict, ascii=ascii)} {report.verdict}"
    took = text.duration(report.seconds) if report.seconds else text.MISSING
    head = f"{report.name:<{STAGE}}{verdict:<{VERDICT}}{took:>{TIME}}  "
    rest = _wrapped(text.clean(report.summary) or text.MISSING, width - len(head), 0, 0)
    return [head + rest[0], *(" " * len(head) + line for line in rest[1:])]


Block = tuple[str, str]  # what it is, and its text


def _details(report: StageReport) -> Iterator[Block]:
    """What needs a look: items that did not pass, findings, the next step."""
    for item in report.items:
        if item.verdict in (FAIL, INCONCLUSIVE):
            yield f"{item.verdict} {item.name}", item.detail
    for finding in report.findings:
        if finding.severity != HINT or report.verdict == FAIL:
            yield f"{finding.severity} {finding.id}", _told(finding)
            if finding.advice:
                yield "", finding.advice
    said = {finding.advice for finding in report.findings}
    if report.verdict in (FAIL, INCONCLUSIVE) and report.next_step and report.next_step not in said:
        yield "next", report.next_step


def _told(finding: Finding) -> str:
    where = finding.where
    place = f" ({short(Path(where.file))}:{where.line})" if where is not None and where.file else ""
    return f"{finding.title}{place}"


def block_lines(block: Block, width: int) -> list[str]:
    head, body = block
    label = f"{head}: " if head else ""
    return _wrapped(label + text.clean(body), width, INDENT if head else 2 * INDENT, 2 * INDENT)


def _wrapped(body: str, width: int, first: int, rest: int) -> list[str]:
    """At least one line. Long words (paths) are not broken: they must stay something that can be copied."""
    lines = textwrap.wrap(
        _UNIT.sub(_TIE, body), max(20, width), initial_indent=" " * first, subsequent_indent=" " * rest,
        break_long_words=False, break_on_hyphens=False,
    )  # fmt: skip
    return [line.replace(_TIE, " ") for line in lines] or [""]
