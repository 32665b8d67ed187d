"""Findings as lines: short in the strip, in full in their panel and dialog."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dlmon.app.glyphs import Glyphs
from dlmon.app.lines import Line, Span, cut, fit, line, spread, width, wrap
from dlmon.checks.finding import ERROR, HINT, WARNING, Finding, Judgement
from dlmon.state.snapshot import RunSnapshot
from dlmon.text import clean, count, number, place, plural

MOST_PARTS = 12  # of a nested piece of evidence
ROLES = {ERROR: "bad", WARNING: "warning", HINT: "hint"}


def strip_lines(
    judgement: Judgement | None, snapshot: RunSnapshot | None, room: int, most: int, glyphs: Glyphs
) -> list[Line]:
    """What is wrong, worst first, on at most `most` rows; one quiet row where nothing is.

    The worst finding is told in full, on two rows if it takes them; the others on one each.
    """
    if judgement is None or snapshot is None:
        return [fit(line((" " + glyphs.waiting, "dim"), ("no findings yet", "dim")), room)]
    found = [finding for finding in judgement.findings if not finding.resolved]
    if not found:
        return [fit((Span(" "), *quiet_line(judgement, snapshot, glyphs)), room)]
    lines = _told_in_full(found[0], room, glyphs) if most > 1 else [short_line(found[0], room, glyphs)]
    left = most - len(lines)
    rest = found[1:]
    if len(rest) > left:
        shown, rest = rest[: max(0, left - 1)], rest[max(0, left - 1) :]
    else:
        shown, rest = rest, []
    lines += [short_line(finding, room, glyphs) for finding in shown]
    if rest and left > 0:
        role = ROLES.get(rest[0].severity, "text")
        more = line((f" {glyphs.severity(rest[0].severity)}", role), f"{len(rest)} more: {rest[0].title}")
        lines.append(spread(more, line(("7: all findings ", "dim")), room))
    return lines


def _told_in_full(finding: Finding, room: int, glyphs: Glyphs) -> list[Line]:
    """The title uncut, as far as two rows allow."""
    tail = _tail(finding)
    if len(finding.title) + width(tail) + 6 <= room:
        return [short_line(finding, room, glyphs)]
    indent = " " + glyphs.indent
    rows = wrap(finding.title, room - len(indent) - 1)
    sign = (f" {glyphs.severity(finding.severity)}", ROLES.get(finding.severity, "text"))
    if len(rows) == 1:
        return [fit(line(sign, rows[0]), room), fit(line(indent, *tail), room)]
    second = cut(" ".join(rows[1:]), max(8, room - width(tail) - len(indent) - 2))
    return [fit(line(sign, rows[0]), room), spread(line(indent, second), tail, room)]


def _tail(finding: Finding) -> Line:
    return line((where_of(finding), "text"), (f"  {since(finding)} " if finding.step is not None else " ", "dim"))


def quiet_line(judgement: Judgement, snapshot: RunSnapshot, glyphs: Glyphs) -> Line:
    """`no findings after 1,284 steps, 3 checks waiting for facts`; of a run that is over: lacked the facts."""
    waiting = len(judgement.abstained)
    missing = "lacked the facts to judge" if snapshot.over else "waiting for facts"
    tail = f", {plural(waiting, 'check')} {missing}" if waiting else ""
    if not snapshot.step:
        return line((glyphs.waiting, "dim"), (f"no findings{'' if snapshot.over else ' yet'}{tail}", "dim"))
    return line((glyphs.good, "good"), (f"no findings after {plural(snapshot.step, 'step')}{tail}", "dim"))


def where_of(finding: Finding) -> str:
    return place(finding.where.file, finding.where.line) if finding.where else ""


def since(finding: Finding) -> str:
    return "" if finding.step is None else f"since step {count(finding.step)}"


def short_line(finding: Finding, room: int, glyphs: Glyphs) -> Line:
    """Sign, title, and at the right where and since when; the title gives way."""
    role = ROLES.get(finding.severity, "text")
    tail = _tail(finding)
    if width(tail) > room // 2:
        tail = line((where_of(finding), "text"), " ")
    sign = f" {glyphs.severity(finding.severity)}"
    left = room - len(sign) - width(tail) - 2
    return spread(line((sign, role), (cut(finding.title, left), "text")), tail, room)


def block_lines(finding: Finding, room: int, glyphs: Glyphs, *, selected: bool = False) -> list[Line]:
    """Title, place, advice; for the list of all findings."""
    role = "dim" if finding.resolved else ROLES.get(finding.severity, "text")
    indent = " " + glyphs.indent
    inside = room - len(indent)
    title = wrap(finding.title + (" (over by now)" if finding.resolved else ""), inside)
    mark = glyphs.focus if selected else " "
    told = "dim" if finding.resolved else "strong"
    lines = [line((mark, "focus"), (glyphs.severity(finding.severity), role), (title[0], told))]
    lines += [line(indent, (text, told)) for text in title[1:]]
    about = [text for text in (where_of(finding), since(finding)) if text]
    if finding.where is not None and finding.where.text:
        about.append(clean(finding.where.text))
    if about:
        lines.append(line(indent, (cut("   ".join(about), inside), "dim")))
    return [*lines, *(line(indent, text) for text in wrap(finding.advice, inside) if text)]


def full_lines(finding: Finding, room: int, glyphs: Glyphs) -> list[Line]:
    """Everything about one finding: title, place, evidence, advice."""
    role = ROLES.get(finding.severity, "text")
    title = wrap(finding.title, room - len(glyphs.indent))
    lines = [line((glyphs.severity(finding.severity), role), (title[0], "strong"))]
    lines += [line(glyphs.indent, (text, "strong")) for text in title[1:]]
    rank = f"rank {finding.rank}" if finding.rank is not None else ""
    about = "   ".join(text for text in (finding.severity, finding.id, since(finding), rank) if text)
    lines += [line(("  " + about, "dim")), ()]
    if finding.where is not None:
        lines.append(line(("  where       ", "dim"), clean(f"{finding.where.file}:{finding.where.line}")))
        lines += [line(" " * 14, (text, "strong")) for text in wrap(finding.where.text, room - 16) if text]
    lines += _labelled("what to do", finding.advice, room)
    # The subject is a number that keeps findings of one kind apart; the title says what it is.
    evidence = {name: value for name, value in finding.evidence.items() if name != "subject"}
    lines += [line(("  evidence", "dim"))] if evidence else []
    for name, value in evidence.items():
        lines += _evidence(str(name), value, room)
    return lines


def _labelled(label: str, text: str, room: int) -> list[Line]:
    rows = wrap(text, room - 16)
    head = line((f"  {label:<12}", "dim"), rows[0])
    return [head, *(line(" " * 14, row) for row in rows[1:]), ()] if text else []


def _evidence(name: str, value: Any, room: int) -> list[Line]:
    if isinstance(value, dict) and any(isinstance(item, (dict, list, tuple)) for item in value.values()):
        return _nested(name, value, room)
    rows = wrap(plain(value), max(20, room - 30))
    label = cut(name.replace("_", " "), 22)
    return [line((f"    {label:<24}", "dim"), rows[0]), *(line(" " * 28, row) for row in rows[1:4])]


def _nested(name: str, values: Mapping[str, Any], room: int) -> list[Line]:
    """A row for each part: the tensors of an operation, the outputs of modules."""
    lines = [line((f"    {cut(name.replace('_', ' '), 22)}", "dim"))]
    for key, value in list(values.items())[:MOST_PARTS]:
        if value in ({}, [], "", None):
            continue
        rows = wrap(plain(value), max(20, room - 30))
        lines.append(line((f"      {cut(str(key), 20):<22}", "dim"), rows[0]))
        lines += [line(" " * 28, row) for row in rows[1:4]]
    more = len(values) - MOST_PARTS
    return [*lines, line((f"      {more} more", "dim"))] if more > 0 else lines


def plain(value: Any) -> str:
    """A JSON value as words."""
    if isinstance(value, bool) or value is None:
        return {True: "yes", False: "no", None: "not known"}[value]
    if isinstance(value, int):
        return count(value)
    if isinstance(value, float):
        return number(value)
    if isinstance(value, dict):
        return ", ".join(f"{key} {plain(item)}" for key, item in list(value.items())[:20])
    if isinstance(value, (list, tuple)):
        return ", ".join(plain(item) for item in value[:20]) + (", …" if len(value) > 20 else "")
    return str(value)
