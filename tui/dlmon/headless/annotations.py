"""Findings as GitHub workflow commands: they show up beside the lines of a pull request."""

from __future__ import annotations

import os
from collections.abc import Iterator

from dlmon.checks.finding import ERROR, HINT, WARNING, Finding
from dlmon.rehearsal.report import FAIL, Record, StageReport

_COMMANDS = {ERROR: "error", WARNING: "warning", HINT: "notice"}


def lines(record: Record) -> list[str]:
    """One command per finding, each once; and one for each failed stage that no finding explains."""
    found = [line for report in record.reports for line in _of_stage(report, record.cwd)]
    return list(dict.fromkeys(found))


def _of_stage(report: StageReport, cwd: str) -> Iterator[str]:
    for finding in report.findings:
        yield _of_finding(finding, cwd)
    if report.verdict == FAIL and not any(finding.severity != HINT for finding in report.findings):
        message = report.summary + (f"\n{report.next_step}" if report.next_step else "")
        yield f"::error title={_property(f'dlmon: {report.name} fails')}::{_data(message)}"


def _of_finding(finding: Finding, cwd: str) -> str:
    properties = {}
    if finding.where is not None and finding.where.file:
        properties = {"file": _relative(finding.where.file, cwd), "line": str(finding.where.line)}
    properties["title"] = f"dlmon: {finding.id}"
    told = ",".join(f"{name}={_property(value)}" for name, value in properties.items())
    message = finding.title + (f"\n{finding.advice}" if finding.advice else "")
    return f"::{_COMMANDS.get(finding.severity, 'notice')} {told}::{_data(message)}"


def _relative(file: str, cwd: str) -> str:
    """Below the working folder; as it is where it lies elsewhere. GitHub knows forward slashes only."""
    if cwd and os.path.isabs(file):  # noqa: PTH117
        try:
            shown = os.path.relpath(file, cwd)
        except ValueError:  # another drive
            return file
        file = file if shown.startswith("..") else shown
    return file.replace(os.sep, "/")


def _data(value: str) -> str:
    """As GitHub's toolkit escapes a message."""
    return value.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(value: str) -> str:
    """As GitHub's toolkit escapes a property."""
    return _data(value).replace(":", "%3A").replace(",", "%2C")
