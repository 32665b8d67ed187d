"""Reads a script with the local modules it imports, and runs every rule over them."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from dlmon.checks.finding import SEVERITIES, Finding
from dlmon.errors import UserError, reason
from dlmon.launch.sources import local_sources
from dlmon.review.project import Project
from dlmon.review.rule import Place, Reading, Registered, all_rules
from dlmon.review.source import Source, parse
from dlmon_probes.events import Where


@dataclass(frozen=True)
class Review:
    """findings: by file in the order of import, line and column. files and lines: how much was read. unread: local
    files that are imported but are no valid Python. silenced: findings that a comment in the source turned off.
    failed: rules that could not finish."""

    findings: tuple[Finding, ...] = ()
    files: int = 0
    lines: int = 0
    unread: tuple[str, ...] = ()
    silenced: int = 0
    failed: tuple[str, ...] = ()

    def count(self, severity: str) -> int:
        return sum(finding.severity == severity for finding in self.findings)


def review(script: Path, cwd: Path) -> Review:
    """Read `script` as it would run from `cwd`. Raises UserError where it cannot be read or is no valid Python."""
    project = load(script, cwd)
    return review_project(project)


def load(script: Path, cwd: Path) -> Project:
    """The script and its local imports, parsed. Raises UserError for the script; other files are noted as unread."""
    sources: list[Source] = []
    unread: list[str] = []
    roots = [script.resolve().parent, cwd.resolve()]
    shown = _shown(script.resolve(), cwd)
    try:
        sources.append(parse(script.resolve(), shown, script.read_bytes()))
    except OSError as error:
        raise UserError(f"{script} cannot be read: {reason(error)}") from None
    except SyntaxError as error:
        at = f":{error.lineno}:{error.offset or 1}" if error.lineno else ""
        raise UserError(f"{shown}{at}: {error.msg}; a script that is not valid Python cannot be reviewed") from None
    for path in local_sources(script, cwd)[1:]:
        try:
            sources.append(parse(path, _shown(path, cwd), path.read_bytes()))
        except (OSError, SyntaxError):
            unread.append(_shown(path, cwd))
    return Project(sources, roots, unread)


def _shown(path: Path, cwd: Path) -> str:
    relative = os.path.relpath(path, cwd.resolve())
    return str(path) if relative.startswith(os.pardir) else relative


def review_project(project: Project, rules: Iterable[Registered] | None = None) -> Review:
    """Run the rules over a project that is parsed."""
    reading = Reading(project)
    found: dict[tuple[str, str, int, int], tuple[int, Finding]] = {}
    failed: list[str] = []
    silenced = 0
    order = {source: index for index, source in enumerate(project.sources)}
    for registered in all_rules() if rules is None else rules:
        try:
            places = list(registered.run(reading))
        except RecursionError:
            failed.append(registered.id)  # text that nests deeper than any person writes
            continue
        for place in places:
            line = int(getattr(place.node, "lineno", 1))
            if place.source.silenced(registered.id, line):
                silenced += 1
                continue
            finding = _finding(registered, place, line)
            column = finding.evidence["column"]
            found.setdefault((registered.id, place.source.name, line, column), (order[place.source], finding))
    findings = sorted(found.values(), key=_position)
    return Review(
        tuple(finding for _, finding in findings), len(project.sources),
        sum(len(source.lines) for source in project.sources), project.unread, silenced, tuple(failed),
    )  # fmt: skip


def _position(item: tuple[int, Finding]) -> tuple[object, ...]:
    order, finding = item
    line = finding.where.line if finding.where is not None else 0
    return order, line, finding.evidence["column"], SEVERITIES.index(finding.severity), finding.id


def _finding(registered: Registered, place: Place, line: int) -> Finding:
    source, node = place.source, place.node
    scope = source.scope(node)
    function = f"{scope.owner.name}.{scope.name}" if scope.owner is not None else scope.name
    # Columns as editors count them: in characters, from 1. The syntax tree counts UTF-8 bytes from 0.
    text = source.lines[line - 1] if line <= len(source.lines) else ""
    offset = int(getattr(node, "col_offset", 0))
    column = len(text.encode()[:offset].decode("utf-8", "replace")) + 1
    return Finding(
        id=registered.id, severity=place.severity or registered.severity, title=place.title, advice=place.fix,
        where=Where(source.name, line, "" if function == "<module>" else function, source.line(line)),
        evidence={"column": column, "fix": place.fix, **place.evidence},
    )  # fmt: skip
