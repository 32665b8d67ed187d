"""A rehearsal as a JUnit XML file, the form in which CI systems read test results."""

from __future__ import annotations

import datetime
import re
from pathlib import Path
from xml.etree import ElementTree

from dlmon.checks.finding import Finding
from dlmon.errors import UserError, reason
from dlmon.rehearsal.report import FAIL, INCONCLUSIVE, PASS, SKIPPED, UNKNOWN, Item, Record, StageReport

VERDICT = "verdict"  # name of the test case that stands for the stage as a whole

# Characters that XML 1.0 cannot hold, not even escaped.
_ILLEGAL = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def write(path: Path, record: Record, *, strict: bool = False) -> None:
    """Replace the file at `path`. Raises UserError where it cannot be written."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(document(record, strict=strict))
    except OSError as error:
        raise UserError(f"cannot write {path}: {reason(error)}; choose another file with --junit") from None


def document(record: Record, *, strict: bool = False) -> bytes:
    """One test suite; for each stage a test case per item and one for its verdict. strict: what could not be judged
    counts as failed."""
    started = datetime.datetime.fromtimestamp(record.started, datetime.timezone.utc)
    suite = ElementTree.Element(
        "testsuite",
        {"name": _legal(f"dlmon check {record.script}"), "timestamp": started.strftime("%Y-%m-%dT%H:%M:%S")},
    )
    for report in record.reports:
        for item in report.items:
            _case(suite, report.name, item)
        _stage(suite, report, strict)
    cases = suite.findall("testcase")
    suite.set("tests", str(len(cases)))
    suite.set("failures", str(sum(case.find("failure") is not None for case in cases)))
    suite.set("errors", "0")
    suite.set("skipped", str(sum(case.find("skipped") is not None for case in cases)))
    suite.set("time", _seconds(sum(report.seconds for report in record.reports)))
    ElementTree.indent(suite, " ")
    data: bytes = ElementTree.tostring(suite, encoding="utf-8", xml_declaration=True)
    return data + b"\n"


def _case(suite: ElementTree.Element, stage: str, item: Item) -> None:
    case = ElementTree.SubElement(
        suite, "testcase", {"classname": _legal(stage), "name": _legal(item.name), "time": "0.000"}
    )
    if item.verdict == FAIL:
        ElementTree.SubElement(case, "failure", {"message": _legal(item.detail)})
    elif item.verdict in (INCONCLUSIVE, UNKNOWN):
        ElementTree.SubElement(case, "skipped", {"message": _legal(item.detail)})
    else:
        ElementTree.SubElement(case, "system-out").text = _legal(item.detail)


def _stage(suite: ElementTree.Element, report: StageReport, strict: bool) -> None:
    case = ElementTree.SubElement(
        suite, "testcase", {"classname": _legal(report.name), "name": VERDICT, "time": _seconds(report.seconds)}
    )
    told = _legal("\n".join([*map(_told, report.findings), *([report.next_step] if report.next_step else [])]))
    if report.verdict == FAIL or (strict and report.verdict == INCONCLUSIVE):
        ElementTree.SubElement(case, "failure", {"message": _legal(report.summary)}).text = told
    elif report.verdict in (INCONCLUSIVE, SKIPPED):
        ElementTree.SubElement(case, "skipped", {"message": _legal(report.summary)})
    if report.verdict == PASS:
        ElementTree.SubElement(case, "system-out").text = _legal(report.summary)


def _told(finding: Finding) -> str:
    place = f"{finding.where.file}:{finding.where.line}: " if finding.where else ""
    advice = f"\n    {finding.advice}" if finding.advice else ""
    return f"{place}{finding.severity} {finding.id}: {finding.title}{advice}"


def _seconds(value: float) -> str:
    return f"{max(0.0, value):.3f}"


def _legal(value: str) -> str:
    return _ILLEGAL.sub("\N{REPLACEMENT CHARACTER}", value)
