"""A report's evidence as lines: its numbers, findings and files. Pure."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

from dlmon.app.finding_text import block_lines, plain
from dlmon.app.glyphs import Glyphs
from dlmon.app.lines import Line, cut_left, line, pad, wrap
from dlmon.app.rehearsal.checklist import seconds, sign
from dlmon.app.rehearsal.curves import CURVES, is_curve
from dlmon.app.rehearsal.table import table_lines
from dlmon.rehearsal.report import FAIL, INCONCLUSIVE, PASS, StageReport, WrittenFile
from dlmon.text import clean, plural, size

_ROLE = {PASS: "good", FAIL: "bad", INCONCLUSIVE: "warning"}
_LABEL = 24
MOST_ROWS = 200  # of a table


def heading(text: str) -> Line:
    return line((text, "dim"))


def item_lines(report: StageReport, room: int, glyphs: Glyphs) -> list[Line]:
    """Verdict, summary, next step, and every item in full."""
    role = _ROLE.get(report.verdict, "dim")
    lines = [line((sign(report.verdict, glyphs), role), (report.verdict, role), (_ended(report), "dim"))]
    lines += [line(glyphs.indent, (row, "strong")) for row in wrap(report.summary, room - len(glyphs.indent)) if row]
    if report.next_step:
        rows = wrap(report.next_step, room - len(glyphs.indent) - 6)
        lines += [line(glyphs.indent, ("next  ", "key"), rows[0])]
        lines += [line(glyphs.indent + " " * 6, row) for row in rows[1:]]
    names = min(24, max((len(item.name) for item in report.items), default=0)) + 2
    lines += [()] if report.items else []
    for item in report.items:
        muted = "text" if item.verdict in _ROLE else "dim"
        rows = wrap(item.detail, room - len(glyphs.indent) - names)
        first = (sign(item.verdict, glyphs), _ROLE.get(item.verdict, "dim")), (pad(item.name, names), muted)
        lines.append(line(*first, (rows[0], muted)))
        lines += [line(glyphs.indent + " " * names, (row, muted)) for row in rows[1:]]
    return lines


def _ended(report: StageReport) -> str:
    parts = [f"after {seconds(report.seconds)}"] if report.seconds else []
    if report.exit_code is not None:
        parts.append(f"the script's exit code {report.exit_code}")
    return f"   {', '.join(parts)}" if parts else ""


def number_lines(evidence: Mapping[str, Any], room: int) -> list[Line]:
    """The evidence but for its curves: values by name, and lists of rows as tables."""
    lines: list[Line] = []
    for name, value in evidence.items():
        if name == CURVES or is_curve(value):
            continue
        label = clean(str(name)).replace("_", " ")
        if _is_table(value):
            lines += [heading(label), *_table(value, room)]
            continue
        rows = wrap(plain(value) or "none", max(20, room - _LABEL))
        lines.append(line((pad(label, _LABEL - 1) + " ", "dim"), rows[0]))
        lines += [line(" " * _LABEL, row) for row in rows[1:]]
    return lines


def _is_table(value: object) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(row, Mapping) and row for row in value)


def _table(rows: Sequence[Mapping[str, Any]], room: int) -> list[Line]:
    """A column for each key of the first row, as wide as what stands in it."""
    keys = [str(key) for key in rows[0]]
    cells = [[plain(row.get(key)) for key in keys] for row in rows[:MOST_ROWS]]
    titles = [key.replace("_", " ") for key in keys]
    lines = table_lines([titles, *cells], room, indent="  ")
    return [*lines, line((f"  {len(rows) - MOST_ROWS} more", "dim"))] if len(rows) > MOST_ROWS else lines


def finding_lines(
    report: StageReport, room: int, glyphs: Glyphs, *, selected: int = -1
) -> tuple[list[Line], list[int]]:
    """All findings, and the row at which each begins."""
    lines: list[Line] = []
    starts: list[int] = []
    for index, finding in enumerate(report.findings):
        starts.append(len(lines))
        lines += [*block_lines(finding, room, glyphs, selected=index == selected and len(report.findings) > 1), ()]
    return lines[:-1] or [line(("no findings", "dim"))], starts


def files_summary(files: Sequence[WrittenFile]) -> str:
    """`3 files written, 0 of them in your project: the others are kept with the stage`."""
    if not files:
        return "no file was written"
    real = sum(not file.stored and file.bytes is not None for file in files)
    kept = len(files) - real
    parts = [f"{plural(kept, 'file')} kept with the stage"] if kept else []
    parts += [f"{plural(real, 'file')} really written"] if real else []
    return ", ".join(parts)


def file_lines(files: Sequence[WrittenFile], room: int) -> list[Line]:
    """Where each file that the script wrote went; those really written first."""
    if not files:
        return [line(("the script wrote no file", "dim"))]
    lines = [line((files_summary(files), "strong")), ()]
    wide = max(20, room - 48)
    lines.append(line((f"{pad('file', wide)}  {pad('size', 10, right=True)}  {pad('how', 12)}  where it went", "dim")))
    for file in sorted(files, key=lambda file: (bool(file.stored), file.path)):
        gone = file.bytes is None
        where, role = ("kept with the stage", "dim") if file.stored else ("really written", "warning")
        where, role = ("gone", "dim") if gone else (where, role)
        name = pad(cut_left(_short(file.path), wide), wide)
        amount = pad(size(file.bytes), 10, right=True)
        lines.append(line(name, f"  {amount}  ", (f"{pad(file.how, 12)}  ", "dim"), (where, role)))
    return lines


def _short(path: str) -> str:
    """From the working folder, where that is shorter."""
    try:
        relative = os.path.relpath(path)
    except (OSError, ValueError):
        return path
    return path if relative.startswith("..") else relative
